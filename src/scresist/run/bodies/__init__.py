"""The bodies of the steps: one file each, with the record of what the step reads, writes and follows."""
