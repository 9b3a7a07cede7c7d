"""The report: one self-contained HTML file that tells what became of a run.

Reading (facts, standings, origins) turns the database into records; drawing (charts, source, page) turns records into a
page. The page carries no script, asks the network for nothing, and shows every text that a model wrote as text.
"""
