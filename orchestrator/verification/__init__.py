"""What holds in every run, whatever went wrong in it: checked on its event log. Pure."""
