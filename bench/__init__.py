"""Speed and memory claims, each as a ratio measured in one run against the alternative."""
