"""Words that several adapters write into their systems, and how often a check may. No plug-in, and knows none."""
