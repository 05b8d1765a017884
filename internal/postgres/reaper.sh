# Ends a server whose owner has died, and removes its run folder.
# $1 data folder, $2 run folder. Standard input is a pipe that only the owner
# holds: it writes the server's pid and closes the pipe by ending, however it ends.
trap '' HUP INT TERM
pid=
while read -r line; do pid=$line; done

command_line() {
	if [ -r /proc/self/cmdline ]; then
		tr '\000' ' ' <"/proc/$1/cmdline"
	else
		ps -o args= -p "$1"
	fi 2>/dev/null
}

# A pid alone proves nothing: by now it may belong to another program.
serves() {
	[ -n "$pid" ] || return 1
	case " $(command_line "$pid") " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

if serves "$1"; then
	kill -QUIT "$pid"
	tries=0
	while serves "$1" && [ "$tries" -lt 50 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	serves "$1" && kill -KILL "$pid"
fi
rm -rf -- "$2"
