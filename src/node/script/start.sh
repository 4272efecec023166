# The script that runs on a node. It prints the content of every managed file, waits, and replaces the
# files that it receives new content for.
#
#   sh -c SCRIPT oregano NONCE PATH...
#
# The script is made of the files of this directory, in this order: start.sh, observe.sh, lock.sh,
# private_directory.sh, compare_and_swap.sh, main.sh. Lines that contain only a comment are not sent.
# It needs a POSIX shell, the tools that busybox and coreutils 8.22 have in common, and cmp. Until it
# reads the order `write`, it creates, touches and removes nothing. Contents arrive on stdin, never in an
# argument.

# An error message of a tool must not appear in the middle of a file's content.
exec 2>/dev/null
# With TMOUT set, bash would end `read` after that time, but the order may arrive later.
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

# Sets fault to the first line of $2, as the error of stage $1.
fail() {
  fault="error $1 ${2%%"$newline"*}"
  return 1
}

# Runs the command that follows $1. If it fails, its message is the error of stage $1.
attempt() {
  stage=$1
  shift
  error=$("$@" 2>&1) || fail "$stage" "$error"
}
