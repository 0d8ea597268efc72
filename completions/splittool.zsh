#compdef splittool

_splittool_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _SPLITTOOL_COMPLETE=complete_zsh splittool)
}

compdef _splittool_completion splittool
