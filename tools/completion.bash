# Bash's completion of ruminate: commands and flags, as the program's own --help lists them; else files.
_ruminate() {
  local word=${COMP_WORDS[COMP_CWORD]} command=() help words w
  for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $w == -* ]] && break
    command+=("$w")
  done
  help=$("$1" "${command[@]}" --help 2>/dev/null)
  if [[ $word == -* ]]; then
    words=$(grep -oE -e '--[a-z][a-z-]*' <<<"$help" | sort -u)
  else
    words=$(awk -v next_word=$((${#command[@]} + 2)) '$1 == "ruminate" { print $next_word }' <<<"$help")
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _ruminate ruminate
