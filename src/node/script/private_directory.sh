# Private directories. A managed file may be in a directory of another user, who can replace any name there by a link.
# Therefore bytes are stored, and attributes are set, only inside a private directory of this script, which is entered
# once. After that, `..` is the surrounding directory, even if another user renames or replaces directories in its path.

# Creates a private directory next to $real and enters it. Sets temp to its path, and name to the name of the file.
work() {
  name=${real##*/}
  attempt directory directories "$real" || return 1
  temp=$(mktemp -d "${real%/*}/.$name.oregano.$me.XXXXXX" 2>&1) || { fail temp "$temp"; temp=; return 1; }
  enter "$temp" || { fail private "$temp is not private"; leave; return 1; }
}

# Enters the directory $1 if it belongs to this user and has the mode of a private directory. No other user can
# create such a directory.
enter() {
  cd -P "$1" || return 1
  case "$(stat -c %u:%a .) $(pwd -P)" in
    "$uid:700 "*"/${1##*/}" | "$uid:2700 "*"/${1##*/}") ;;
    *) return 1 ;;
  esac
}

# Removes the private directory $1 and its content, from inside, because names that lead to it can be replaced.
discard() {
  if enter "$1"; then
    rm -f payload "./$name"
    rmdir "../${1##*/}"
  else
    rmdir "$1"
  fi
}

# Removes the private directories, with their content, that killed runs left next to $real.
sweep() {
  for left in "${real%/*}/.$name.oregano."*.*.*.??????; do
    owner=${left##*".oregano."}
    owner=${owner%.*}
    case $owner in *[!0-9a-f.]*) continue ;; esac
    alive "$owner" || (discard "$left")
  done
}

# Removes the current private directory and leaves it.
leave() {
  [ -z "$temp" ] || discard "$temp"
  temp=
  cd /
}
