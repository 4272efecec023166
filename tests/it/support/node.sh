# Turns the mount and process namespace that it is started in into a node, and becomes its sshd.
# $1 is the folder with the node's keys, accounts and sshd_config, $2 the shell (`system` or `busybox`), $3 sshd, $4 the
# mode: `daemon` if sshd listens itself, `door` if the test does. Every path that a node may write to is a separate file
# system, so that nothing of the machine is changed.
set -eu

mount -t tmpfs node /run
cp -r "$1" /run/node
mkdir -m 0755 /run/sshd
cd /run/node
chmod 0755 .
chmod 0600 host_key shadow
chmod 0440 sudoers

# The test's own folders may be below these paths, so these are mounted over last.
mount -t tmpfs -o mode=0700 node /root
for folder in /home /var/lib; do
    mount -t tmpfs -o mode=0755 node "$folder"
done
for folder in /tmp /var/tmp; do
    mount -t tmpfs -o mode=1777 node "$folder"
done
mkdir -p /var/lib/origin
# The package of skopeo creates this folder.
for folder in /etc/sudoers.d /etc/containers; do
    mount -t tmpfs -o mode=0755 node "$folder"
done

for file in passwd group shadow sudoers; do
    mount --bind "$file" "/etc/$file"
done
while IFS=: read -r _ _ id group _ home _; do
    case $home in
    /home/*)
        mkdir "$home"
        chown "$id:$group" "$home"
        ;;
    esac
done <passwd

if [ "$2" = busybox ]; then
    mkdir bin
    busybox --install -s /run/node/bin
    ln -sf "$(command -v sudo)" bin/sudo
    mount --bind "$(command -v busybox)" "$(readlink -f /bin/sh)"
fi

if [ "$4" = door ]; then
    # The test listens, and starts an sshd for each connection.
    echo ready
    exec sleep infinity
fi
exec "$3" -D -e -f /run/node/sshd_config
