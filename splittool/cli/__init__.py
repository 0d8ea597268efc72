"""The shell face: one thin file per subcommand."""
