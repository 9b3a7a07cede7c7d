"""`run_loop.py export`: an adapter of a run for others: a PEFT folder, a whole model, or a GGUF file, with a card."""
