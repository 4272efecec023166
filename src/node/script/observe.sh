# Observes files: resolves their paths, and prints their mode, identity and content.

# Sets reason for a file that cannot be read. $1 is the message of the tool, which ends with the message of the system
# after the path.
unreadable() {
  error=${1%%"$newline"*}
  error=${error##*": "}
  case $error in
    'Permission denied') reason='denied -' ;;
    *) reason="unreadable $error" ;;
  esac
}

# Follows the links of $1. Sets real to the resulting path, and key, which is equal for paths that lead to
# the same file. If that fails, sets reason.
resolve() {
  if [ ! -e "$1" ]; then
    # Either the file does not exist, or it may not be accessed. Only the error message distinguishes the two.
    error=$(cat "$1" 2>&1 >/dev/null)
    case $error in
      # Without a message, the file was created after the test.
      '' | *'No such file or directory') ;;
      *) unreadable "$error"; return 1 ;;
    esac
  fi
  follow "$1"
  case $real in *"$newline"*) reason="newline -"; return 1 ;; esac
  descend "$real" || return 1
  # `..` of a directory that does not exist cannot be resolved.
  case "/$rest/" in
    */../*) [ -e "$real" ] || { reason="unreadable $real: No such file or directory"; return 1; } ;;
  esac
  # A missing directory is created only at the path in the inventory, and not at the target of a link.
  case "$linked $rest" in
    'yes '*/*) reason="dangling $(readlink "$1")"; return 1 ;;
  esac
}

# Sets real to the path that $1 leads to, and linked if $1 is a link. `readlink -f` of busybox cannot be used,
# because it fails for a link to a file that does not exist.
follow() {
  real=$1
  linked=
  hops=0
  while [ -L "$real" ] && [ "$hops" -lt 40 ]; do
    linked=yes
    hops=$((hops + 1))
    target=$(readlink "$real")
    case $target in
      /*) real=$target ;;
      *) real=${real%/*}/$target ;;
    esac
  done
}

# Finds the nearest existing directory above $1, and sets real and key of $1 from it.
descend() {
  up=$1
  rest=
  while :; do
    rest=${up##*/}${rest:+/$rest}
    up=${up%/*}
    [ ! -d "${up:-/}" ] || break
    if [ -e "$up" ] || [ -L "$up" ]; then
      # Another run may have created the directory after the test.
      [ ! -d "$up" ] || break
      reason="blocked $up"
      return 1
    fi
  done
  up=$(cd -P "${up:-/}" && pwd -P)
  [ -n "$up" ] || { reason="unreadable the directory of $1 cannot be entered"; return 1; }
  key=$(stat -L -c %d:%i "$up"):$rest
  real=${up%/}/$rest
}

# Succeeds if $real is a mount point (proc(5): fields 4 to 6 are root, mount point and options).
mounted() {
  case $(cat /proc/self/mountinfo) in
    *" $real r"[ow]*) ;;
    *) return 1 ;;
  esac
}

# Sets seen to the state of the file $1.
examine() {
  if ! resolve "$1"; then
    seen="unusable $reason"
  elif [ ! -e "$real" ] && [ ! -L "$real" ]; then
    seen="absent $key"
  elif [ -d "$real" ]; then
    seen='unusable directory -'
  elif [ ! -f "$real" ]; then
    seen='unusable special -'
  elif ! error=$(head -c 1 "$real" 2>&1 >/dev/null); then
    unreadable "$error"
    seen="unusable $reason"
  else
    attributes=$(stat -c '%s %a %d:%i:%h' "$real")
    if [ -z "$attributes" ]; then
      seen='unusable changing -'
    elif [ "${attributes%% *}" -gt "$largest" ]; then
      seen='unusable large -'
    elif mounted; then
      seen="unusable mounted ${attributes##* }"
    else
      seen="present ${attributes#* } $key"
    fi
  fi
}

# Prints the file $2 as number $1. Another program may create, replace or remove the file during the examination,
# so a state that cannot be managed counts only if it is seen twice.
show() {
  before=
  looks=0
  while examine "$2"; do
    looks=$((looks + 1))
    case $seen in unusable*) ;; *) break ;; esac
    [ "$seen" != "$before" ] && [ "$looks" -lt 5 ] || break
    before=$seen
  done
  say "FILE $1 $seen"
  case $seen in
    present*)
      head -c "$((largest + 1))" "$real"
      printf '\n%s END %s\n' "$nonce" "$?"
      ;;
  esac
}
