"""The long work: fetch, judge in a child process, store the report, announce."""
