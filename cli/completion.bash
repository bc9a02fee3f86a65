# Completion of sekisho for bash: commands and options are those that its own help names.
_sekisho() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} program=${COMP_WORDS[0]} choices=
    case $before in
    --type) choices="luks1 luks2" ;;
    --pbkdf) choices="pbkdf2 argon2id" ;;
    --key-size) choices="256 512" ;;
    --slot | --iter-time | --pbkdf-memory) return ;;
    --*-file | --header | --journal | --against | --esp | --partition) ;;
    *)
        local names=$("$program" "${COMP_WORDS[1]}" --help 2>/dev/null | awk '/^  [a-z]/ { print $2 }')
        if ((COMP_CWORD == 1)); then
            choices="$("$program" --help | awk '/^  [a-z]/ && !seen[$1]++ { print $1 }') --help --version"
        elif ((COMP_CWORD == 2)) && [[ $names ]]; then
            choices="$names --help"
        elif [[ $word == -* ]]; then
            choices=$("$program" "${COMP_WORDS[1]}" ${names:+"${COMP_WORDS[2]}"} --help 2>/dev/null | awk '/^  --/ { print $1 }')
        fi
        ;;
    esac
    if [[ $choices ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _sekisho sekisho
