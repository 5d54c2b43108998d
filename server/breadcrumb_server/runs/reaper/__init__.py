"""Start a command below a process that outlives neither it nor this server, and that leaves no process behind."""

from breadcrumb_server.runs.reaper.process import CommandProcess, start

__all__ = ["CommandProcess", "start"]
