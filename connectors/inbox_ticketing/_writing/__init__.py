"""Words that several adapters write into their systems. No plug-in, and knows none."""
