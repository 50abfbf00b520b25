package lines

import (
	"path"
	"strings"
)

// daemonLogs are the files in which syslog daemons collect what others write:
// their lines name the service, the file does not.
var daemonLogs = map[string]bool{
	"syslog": true, "messages": true, "secure": true, "maillog": true, "cron": true, "auth": true, "kern": true,
	"daemon": true, "user": true, "mail": true, "debug": true, "authpriv": true,
}

// plainNames say what a file is about but not whose it is: the directory does.
var plainNames = map[string]bool{
	"access": true, "error": true, "errors": true, "history": true, "term": true, "current": true, "output": true,
	"out": true, "stdout": true, "stderr": true, "main": true, "app": true, "application": true, "server": true,
	"log": true, "debug": true, "info": true, "console": true,
}

// baseName is a log file's name without .log and without what logrotate hangs
// on a name: ".1" or "-20260102".
func baseName(file string) string {
	name := path.Base(file)
	if at := strings.LastIndexAny(name, ".-"); at > 0 && isNumber(name[at+1:]) {
		if kept := name[:at]; strings.HasSuffix(kept, ".log") || daemonLogs[kept] {
			name = kept
		}
	}
	return strings.TrimSuffix(name, ".log")
}

// fileService names the service that writes a file, for lines that do not say.
func fileService(file string) string {
	base := baseName(file)
	dir := path.Base(path.Dir(file))
	if (plainNames[base] || isNumber(base)) && dir != "log" && dir != "logs" && dir != "/" && dir != "." {
		return dir
	}
	return base
}

// isNumber: a kubelet numbers the logs of a container by its restarts.
func isNumber(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}
