# Compare-and-swap: replaces a file only if it still has the bytes that were read.

# Prints $2 bytes of the payload from offset $1.
slice() { (enter "$store" && tail -c "+$(($1 + 1))" payload | head -c "$2"); }

# Stores a slice of the payload as the new file, and waits until it is on disk.
fill() {
  slice "$1" "$2" | dd of="./$name" bs=65536 conv=fsync && return
  slice "$1" "$2" | cat >"./$name" && sync
}

# Succeeds if the file consists of the $2 bytes at offset $1 of the payload.
holds() {
  [ -f "../$name" ] && [ ! -L "../$name" ] || { fault=changed; return 1; }
  error=$(slice "$1" "$2" | cmp -s - "../$name" 2>&1)
  case $? in
    0) ;;
    1) fault=changed; return 1 ;;
    *) fail compare "$error" ;;
  esac
}

# Succeeds if the file still is what was read: the $1 bytes at offset $2 of the payload, or - for no file.
same() {
  [ "$1" = - ] || { holds "$2" "$1"; return; }
  [ ! -e "../$name" ] && [ ! -L "../$name" ] || { fault=changed; return 1; }
}

# Creates the missing directories of $1: the last one with mode 0700, those above it with mode 0755.
directories() {
  dir=${1%/*}
  [ ! -d "${dir:-/}" ] || return 0
  (umask 022 && mkdir -p "${dir%/*}/") && mkdir "$dir" || [ -d "$dir" ] || return 1
  relabel "$dir"
}

relabel() { ! command -v restorecon >/dev/null || restorecon "$1" >/dev/null 2>&1 || :; }

# Gives the new file the owner, group and SELinux label of the old one, and its mode without the bits of group
# and others. Without an old file the mode is 0600.
adopt() {
  mode=600
  labelled=
  if [ "$1" != - ]; then
    attributes=$(stat -c '%u:%g %a' "../$name")
    owner=${attributes% *}
    mode=$(printf %o "$((0${attributes#* } & 0700))")
    [ "$(stat -c %u:%g "./$name")" = "$owner" ] || attempt owner chown -h "$owner" "./$name" || return 1
    ! chcon --reference="../$name" "./$name" >/dev/null || labelled=yes
  fi
  attempt mode chmod "$mode" "./$name"
}

# Compares the old file, and renames the new one to its name. The lock is held only during this step.
swap() {
  waited=0
  lock=../.$name.oregano.lock
  hold "$lock" && same "$1" "$2" && attempt rename mv -f "./$name" ..
  swapped=$?
  [ "$(readlink "$lock")" != "$me" ] || rm -f "$lock"
  lock=
  return "$swapped"
}

# Replaces the file $1. Its old content is the $2 bytes (or -, for no file) at offset $3 of the payload, and its
# new content is the $4 bytes after them.
replace() {
  # The path could be managed when it was observed, so it was changed if it cannot be managed now.
  resolve "$1" || { fault=changed; return 1; }
  [ "$2" = - ] || [ -e "$real" ] || { fault=changed; return 1; }
  from=$3
  [ "$2" = - ] || from=$(($3 + $2))
  work || { possible "$1" || fault=changed; return 1; }
  # The payload could not be stored before, so it could not be used here if it can be stored now.
  [ -n "$store" ] || { fault=changed; return 1; }
  sweep
  renew "$@" || { blame "$2" "$3"; return 1; }
}

# After work has failed: succeeds if the reason is not a change of the path $1 or of its directory.
possible() {
  resolve "$1" || return 1
  case $fault in 'error directory '*) ;; *) [ -d "${real%/*}" ] ;; esac
}

renew() {
  same "$2" "$3" && attempt write fill "$from" "$4" || return 1
  [ "$(stat -c %s "./$name")" = "$4" ] || { fail write 'the file came out short'; return 1; }
  adopt "$2" && swap "$2" "$3" || return 1
  [ -n "$labelled" ] || relabel "../$name"
}

# After renew has failed: if the file is no longer what was read, or its directory was removed, that is the reason,
# whichever step noticed it.
blame() {
  [ "$fault" != changed ] || return 0
  noticed=$fault
  if [ ! -d "$temp" ]; then
    fault=changed
  elif same "$1" "$2" || [ "$fault" != changed ]; then
    fault=$noticed
  fi
}

# Stores the payload next to the first file where that is possible, and checks that it is complete. If it is possible
# nowhere, each file fails later for its own reason.
receive() {
  while [ "$#" -ge 3 ]; do
    eval "path=\$path_$1"
    if resolve "$path" && work; then break; fi
    shift 3
  done
  store=$temp
  [ -n "$store" ] || { fault=; cat >/dev/null; return; }
  temp=
  fault=
  error=$(cat 2>&1 >payload) || { fail payload "$error"; return; }
  # If the payload is incomplete, the connection was lost, so no result can be reported.
  [ "$(stat -c %s payload)" = "$((total + ${#marker}))" ] || exit 1
  [ "$(tail -c "${#marker}" payload)" = "$marker" ] || exit 1
}

# Carries out the order. The arguments are the size of the payload, and for each file its number, the length of
# the old content (or -) and the length of the new content.
write() {
  total=$1
  marker="$nonce PAYLOAD $total"
  shift
  receive "$@"
  lost=$fault
  offset=0
  while [ "$#" -ge 3 ]; do
    fault=$lost
    eval "path=\$path_$1"
    if [ -z "$lost" ] && replace "$path" "$2" "$offset" "$3"; then
      say "RESULT $1 ok"
      show "$1" "$path"
    else
      say "RESULT $1 $fault"
    fi
    leave
    [ "$2" = - ] || offset=$((offset + $2))
    offset=$((offset + $3))
    shift 3
  done
}
