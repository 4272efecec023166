# The lock of a file: a symbolic link next to it, whose target identifies the process that holds the lock.

# Sets state and started to the state and the start time of process $1: fields 3 and 22 of /proc/PID/stat. The process
# name in field 2 may contain blanks, so the fields are counted from its closing parenthesis.
start_of() {
  state=
  started=
  read -r status <"/proc/$1/stat" || return 1
  set -- ${status##*) }
  state=$1
  started=${20}
}

# Succeeds if the lock holder $1 (PID.START.NONCE) is still running. /proc may be missing, or hide the process.
alive() {
  holder_pid=${1%%.*}
  holder_start=${1#*.}
  if start_of "$holder_pid"; then
    # A process that was killed is a zombie until its parent has read its exit status.
    case $state in [ZXx]) return 1 ;; esac
    [ "${holder_start%%.*}" = 0 ] || [ "${holder_start%%.*}" = "$started" ]
  else
    # kill fails with a permission error for a process of another user, but that process is running.
    case $(kill -0 "$holder_pid" 2>&1 || echo no) in '' | *ermitted*) ;; *) return 1 ;; esac
  fi
}

# Acquires the lock $1. Waits while the holder is running, and takes the lock over if the holder is dead.
hold() {
  attempts=0
  while :; do
    # If $1 is a directory, ln would create the link inside it.
    if [ -e "$1" ] && [ ! -L "$1" ]; then
      fail lock "${real%/*}/${1#../} is in the way"
      return 1
    fi
    error=$(ln -sn "$me" "$1" 2>&1)
    holder=$(readlink "$1")
    [ "$holder" != "$me" ] || return 0
    case $holder in
      '')
        # Either the lock was released just now, or the link cannot be created.
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

# Removes the lock $1 of the dead holder $2. Several runs may notice that the holder is dead. Only the run that
# acquires a second lock, named after the dead holder, removes it. The others then see another holder in $1.
take_over() {
  hold "$1.$2" || return 1
  [ "$(readlink "$1")" != "$2" ] || rm -f "$1"
  rm -f "$1.$2"
}

# Waits for a short time; fails after ten seconds for one file.
pause() {
  if sleep 0.1; then waited=$((waited + 1)); else sleep 1; waited=$((waited + 10)); fi
  [ "$waited" -lt 100 ]
}
