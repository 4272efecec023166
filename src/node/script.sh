# The remote half: shows every managed file, waits, and replaces the files it gets new bytes for.
#
#   sh -c SCRIPT oregano NONCE PATH...
#
# Needs a POSIX shell and the tools that busybox and coreutils 8.22 share, plus cmp. Until it reads
# `write` it creates, touches and removes nothing. Contents come on stdin, never in an argument.
# Lines that hold nothing but a comment are taken out before it is sent.

# A message of a tool in the middle of a file's content would spoil it.
exec 2>/dev/null
# bash gives up its `read` after that time.
unset TMOUT
LC_ALL=C
PATH="${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin"
export LC_ALL PATH
umask 077
newline='
'
largest=1048576
nonce=$1
shift

say() { printf '%s %s\n' "$nonce" "$*"; }

# Remembers the first line of $2 as the fault of stage $1.
fail() {
  fault="error $1 ${2%%"$newline"*}"
  return 1
}

# Runs the command behind stage $1.
attempt() {
  stage=$1
  shift
  error=$("$@" 2>&1) || fail "$stage" "$error"
}

# ---- looking ----

# Follows the links of $1. Sets real, and key, which is equal for paths that are one file; else reason.
resolve() {
  if [ ! -e "$1" ]; then
    # Not there, or not to be seen: only the system's own answer tells which.
    error=$(cat "$1" 2>&1 >/dev/null)
    case $error in
      *'No such file or directory') ;;
      *) reason="unreadable ${error%%"$newline"*}"; return 1 ;;
    esac
  fi
  follow "$1"
  case $real in *"$newline"*) reason="newline -"; return 1 ;; esac
  descend "$real" || return 1
  # Above a directory that does not exist there is nothing.
  case "/$rest/" in
    */../*) [ -e "$real" ] || { reason="unreadable $real: No such file or directory"; return 1; } ;;
  esac
  # A missing directory is made where the inventory asks for it, not where a link happens to lead.
  case "$linked $rest" in
    'yes '*/*) reason="dangling $(readlink "$1")"; return 1 ;;
  esac
}

# Sets real to what $1 leads to, and linked if that is somewhere else. By hand, because busybox's
# readlink -f gives up on a link to nothing.
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

# Finds the nearest directory above $1 that exists, and names $1 by it.
descend() {
  up=$1
  rest=
  while :; do
    rest=${up##*/}${rest:+/$rest}
    up=${up%/*}
    [ ! -d "${up:-/}" ] || break
    if [ -e "$up" ] || [ -L "$up" ]; then
      reason="blocked $up"
      return 1
    fi
  done
  up=$(cd -P "${up:-/}" && pwd -P)
  [ -n "$up" ] || { reason="unreadable the directory of $1 cannot be entered"; return 1; }
  key=$(stat -L -c %d:%i "$up"):$rest
  real=${up%/}/$rest
}

# Whether $real is a mount point of its own (proc(5): fields 4 to 6 are root, mount point and options).
mounted() {
  case $(cat /proc/self/mountinfo) in
    *" $real r"[ow]*) ;;
    *) return 1 ;;
  esac
}

# Shows the file $2 as number $1.
show() {
  if ! resolve "$2"; then
    say "FILE $1 unusable $reason"
  elif [ ! -e "$real" ] && [ ! -L "$real" ]; then
    say "FILE $1 absent $key"
  elif [ -d "$real" ]; then
    say "FILE $1 unusable directory -"
  elif [ ! -f "$real" ]; then
    say "FILE $1 unusable special -"
  elif ! error=$(head -c 1 "$real" 2>&1 >/dev/null); then
    say "FILE $1 unusable unreadable ${error%%"$newline"*}"
  elif [ "$(stat -c %s "$real")" -gt "$largest" ]; then
    say "FILE $1 unusable large -"
  elif mounted; then
    say "FILE $1 unusable mounted $(stat -c %d:%i:%h "$real")"
  else
    say "FILE $1 present $(stat -c '%a %d:%i:%h' "$real") $key"
    head -c "$((largest + 1))" "$real"
    printf '\n%s END %s\n' "$nonce" "$?"
  fi
}

# ---- the lock: a symbolic link whose target names the holder ----

# Sets started to the start time of process $1, field 22 of its stat; the name before may hold blanks.
start_of() {
  started=
  read -r status <"/proc/$1/stat" || return 1
  set -- ${status##*) }
  started=${20}
}

# Whether the process that $1 names as a holder still runs. /proc may be missing, or hide it.
alive() {
  holder_pid=${1%%.*}
  holder_start=${1#*.}
  if start_of "$holder_pid"; then
    [ "${holder_start%%.*}" = 0 ] || [ "${holder_start%%.*}" = "$started" ]
  else
    # One that belongs to somebody else may not be signalled, and lives.
    case $(kill -0 "$holder_pid" 2>&1 || echo no) in '' | *ermitted*) ;; *) return 1 ;; esac
  fi
}

# Takes the lock $1. A living holder is waited for, a dead one's lock is taken over.
hold() {
  attempts=0
  while :; do
    # Into a directory, ln would make the link inside.
    if [ -e "$1" ] && [ ! -L "$1" ]; then
      fail lock "${real%/*}/${1#../} is in the way"
      return 1
    fi
    error=$(ln -sn "$me" "$1" 2>&1)
    holder=$(readlink "$1")
    [ "$holder" != "$me" ] || return 0
    case $holder in
      '')
        # Set free in this moment; or it cannot be made at all.
        attempts=$((attempts + 1))
        [ "$attempts" -lt 5 ] || { fail lock "$error"; return 1; }
        ;;
      *[!0-9a-f.]* | .* | *.) fail lock "${real%/*}/${1#../} is in the way"; return 1 ;;
      *)
        if alive "$holder"; then
          pause || { fault="locked ${holder%%.*}"; return 1; }
        else
          take_over "$1" "$holder" || return 1
        fi
        ;;
    esac
  done
}

# Removes the lock $1 of the dead holder $2. Of all who see it dead, the one who holds the lock named
# after it removes it; whoever comes later sees that $1 names somebody else.
take_over() {
  hold "$1.$2" || return 1
  [ "$(readlink "$1")" != "$2" ] || rm -f "$1"
  rm -f "$1.$2"
}

# Waits a moment; false after ten seconds for one file.
pause() {
  if sleep 0.1; then waited=$((waited + 1)); else sleep 1; waited=$((waited + 10)); fi
  [ "$waited" -lt 100 ]
}

# ---- private directories ----
#
# A managed file may lie in a directory of somebody else, who can put a link in the place of any name there.
# So bytes are stored, and attributes set, only inside a directory of our own, which is entered once; from
# there `..` is the directory around it, whatever becomes of the names that led to it.

# Makes one beside $real and enters it. Sets temp to its name, and name to that of the file.
work() {
  name=${real##*/}
  attempt directory directories "$real" || return 1
  temp=$(mktemp -d "${real%/*}/.$name.oregano.$me.XXXXXX" 2>&1) || { fail temp "$temp"; temp=; return 1; }
  enter "$temp" || { fail temp "$temp is not ours alone"; leave; return 1; }
}

# Enters the directory $1 if it is one of ours: nobody else can make one with this owner and mode.
enter() {
  cd -P "$1" || return 1
  case "$(stat -c %u:%a .) $(pwd -P)" in
    "$uid:700 "*"/${1##*/}" | "$uid:2700 "*"/${1##*/}") ;;
    *) return 1 ;;
  esac
}

# Removes the directory $1 of ours and what it may hold: from inside, for the same reason.
discard() {
  if enter "$1"; then
    rm -f payload "./$name"
    rmdir "../${1##*/}"
  else
    rmdir "$1"
  fi
}

# Removes those that killed runs left beside $real, with what they were given to write.
sweep() {
  for left in "${real%/*}/.$name.oregano."*.*.*.??????; do
    owner=${left##*".oregano."}
    owner=${owner%.*}
    case $owner in *[!0-9a-f.]*) continue ;; esac
    alive "$owner" || (discard "$left")
  done
}

# Leaves the one we work in.
leave() {
  [ -z "$temp" ] || discard "$temp"
  temp=
  cd /
}

# ---- writing ----

# $2 bytes of the payload from offset $1 on.
slice() { (enter "$store" && tail -c "+$(($1 + 1))" payload | head -c "$2"); }

# Puts a slice on disk as the new file, down to the platter.
fill() {
  slice "$1" "$2" | dd of="./$name" bs=65536 conv=fsync && return
  slice "$1" "$2" | cat >"./$name" && sync
}

# Whether the file is the $2 bytes at offset $1 of the payload.
holds() {
  [ -f "../$name" ] && [ ! -L "../$name" ] || { fault=changed; return 1; }
  error=$(slice "$1" "$2" | cmp -s - "../$name" 2>&1)
  case $? in
    0) ;;
    1) fault=changed; return 1 ;;
    *) fail compare "$error" ;;
  esac
}

# Whether the file is still what was read: $1 bytes at offset $2 of the payload, or - for nothing.
same() {
  [ "$1" = - ] || { holds "$2" "$1"; return; }
  [ ! -e "../$name" ] && [ ! -L "../$name" ] || { fault=changed; return 1; }
}

# Makes the directories of $1 that are missing: the last one private, those above it as usual.
directories() {
  dir=${1%/*}
  [ ! -d "${dir:-/}" ] || return 0
  (umask 022 && mkdir -p "${dir%/*}/") && mkdir "$dir" || [ -d "$dir" ] || return 1
  relabel "$dir"
}

relabel() { ! command -v restorecon >/dev/null || restorecon "$1" >/dev/null 2>&1 || :; }

# Owner, group and label of the old file, its mode without the bits of group and others; a new one is private.
adopt() {
  mode=600
  labelled=
  if [ "$1" != - ]; then
    owner=$(stat -c %u:%g "../$name")
    mode=$(printf %o "$((0$(stat -c %a "../$name") & 0700))")
    [ "$(stat -c %u:%g "./$name")" = "$owner" ] || attempt owner chown -h "$owner" "./$name" || return 1
    ! chcon --reference="../$name" "./$name" >/dev/null || labelled=yes
  fi
  attempt mode chmod "$mode" "./$name"
}

# Compares and renames. Nothing else happens under the lock.
swap() {
  waited=0
  lock=../.$name.oregano.lock
  hold "$lock" && same "$1" "$2" && attempt rename mv -f "./$name" ..
  swapped=$?
  [ "$(readlink "$lock")" != "$me" ] || rm -f "$lock"
  lock=
  return "$swapped"
}

# Replaces $1, whose old content is $2 bytes (or -) at offset $3 of the payload, by the $4 bytes behind.
replace() {
  resolve "$1" || { fail resolve "${reason#* }"; return 1; }
  [ "$2" = - ] || [ -e "$real" ] || { fault=changed; return 1; }
  from=$3
  [ "$2" = - ] || from=$(($3 + $2))
  work || return 1
  sweep
  renew "$@" || settled "$from" "$4"
}

renew() {
  same "$2" "$3" && attempt write fill "$from" "$4" || return 1
  [ "$(stat -c %s "./$name")" = "$4" ] || { fail write 'the file came out short'; return 1; }
  adopt "$2" && swap "$2" "$3" || return 1
  [ -n "$labelled" ] || relabel "../$name"
}

# Whether what changed the file is another run of ours, which has put the very same there.
settled() {
  [ "$fault" = changed ] && holds "$1" "$2" || return 1
  case $(stat -c %a "../$name") in *00) ;; *) return 1 ;; esac
}

# Stores the payload beside the first target that takes it, and makes sure that it is whole.
receive() {
  while [ "$#" -ge 3 ]; do
    eval "path=\$path_$1"
    if resolve "$path"; then
      if work; then break; fi
    else
      fail resolve "${reason#* }"
    fi
    shift 3
  done
  store=$temp
  [ -n "$store" ] || { cat >/dev/null; return; }
  temp=
  fault=
  error=$(cat 2>&1 >payload) || { fail payload "$error"; return; }
  # Otherwise the connection was cut: nobody is there to be told.
  [ "$(stat -c %s payload)" = "$((total + ${#marker}))" ] || exit 1
  [ "$(tail -c "${#marker}" payload)" = "$marker" ] || exit 1
}

# TOTAL, then for each file its number, the length of the old bytes (or -) and that of the new ones.
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

cleanup() {
  trap '' HUP INT TERM PIPE
  if [ -n "$lock" ]; then
    for held in "$lock" "$lock".*; do
      [ "$(readlink "$held")" != "$me" ] || rm -f "$held"
    done
  fi
  leave
  temp=$store
  leave
}

# ---- the run ----

say BEGIN 1
for tool in cmp dd head id mktemp readlink stat tail; do
  command -v "$tool" >/dev/null || { say MISSING "$tool"; exit 1; }
done
count=0
for path do
  count=$((count + 1))
  eval "path_$count=\$path"
  show "$count" "$path"
done
say READY

IFS= read -r order || exit 0
case $order in 'write '*) ;; *) exit 0 ;; esac

temp= store= lock= name= fault=
uid=$(id -u)
start_of "$$" || started=0
me=$$.$started.${nonce%????????????????????????}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM PIPE
write ${order#write }
cleanup
say DONE
