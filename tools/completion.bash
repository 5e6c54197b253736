# Bash's completion of ruminate: commands and flags, as the program's own --help lists them; else files.
_ruminate() {
  local word=${COMP_WORDS[COMP_CWORD]} program=$1 path=ruminate command=() help words w
  [[ $program != '~/'* ]] || program=$HOME/${program:2}
  for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $w == -* ]] && break
    command+=("$w") path+=" $w"
  done
  help=$("$program" "${command[@]}" --help 2>/dev/null)
  if [[ $help == *"Usage: $path "* && $word != -* ]]; then # its first word, where that is one of a few
    words=$(awk '/^Positionals:/ { getline; if (match($0, /[{][^}]*[}]/)) print substr($0, RSTART + 1, RLENGTH - 2) }' <<<"$help" | tr , ' ')
  elif [[ $help == *Usage:* ]]; then
    [[ $word != -* ]] || words=$(sed -nE 's/^  (-[a-z],)?(--[a-z][a-z-]*).*/\2/p' <<<"$help")
  elif [[ $word == -* ]]; then # of several commands, one a line
    words=$(grep -oE -e '--(help|version)' <<<"$help")
  else
    words=$(awk -v path="$path " '{ sub(/^ */, "") } index($0, path) == 1 { $0 = substr($0, length(path) + 1); if ($1 ~ /^[a-z]+$/) print $1 }' <<<"$help")
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _ruminate ruminate
