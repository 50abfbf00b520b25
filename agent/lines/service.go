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

// baseName is a log file's name without .log.
func baseName(file string) string {
	return strings.TrimSuffix(path.Base(file), ".log")
}

// fileService names the service that writes a file, for lines that do not say.
func fileService(file string) string {
	base := baseName(file)
	dir := path.Base(path.Dir(file))
	if plainNames[base] && dir != "log" && dir != "logs" && dir != "/" && dir != "." {
		return dir
	}
	return base
}
