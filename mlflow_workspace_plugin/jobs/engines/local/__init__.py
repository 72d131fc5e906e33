"""Jobs on this machine: a spool of files, and one small process that starts what waits there."""
