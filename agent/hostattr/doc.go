// Package hostattr is the clew_host processor: it writes which host something
// came from into the resource of every log, metric and span that passes.
//
// It owns how a Linux host is described (/etc/machine-id, /etc/os-release,
// uname) and nothing else; it needs no cloud and no Kubernetes client. An
// attribute that is already there is left alone, so that an agent that serves
// as a gateway does not rename the hosts behind it.
package hostattr
