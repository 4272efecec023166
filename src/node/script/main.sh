# The main program: print all files, wait for the order, carry it out, and clean up.

# Removes the locks and private directories of this run.
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
