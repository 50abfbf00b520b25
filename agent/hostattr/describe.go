package hostattr

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Attribute is one resource attribute.
type Attribute struct{ Key, Value string }

// Host is where the description is read from.
type Host struct {
	// Root is the host's file system; "/" unless the agent runs in a
	// container that mounts it elsewhere.
	Root string
	// Hostname and Getenv are os.Hostname and os.Getenv, or a test's.
	Hostname func() (string, error)
	Getenv   func(string) string
}

// archNames maps GOARCH to OpenTelemetry's host.arch where they differ.
var archNames = map[string]string{"386": "x86", "arm": "arm32", "ppc64le": "ppc64"}

// Describe returns the host's attributes; those that cannot be found out are
// left out.
func Describe(h Host) []Attribute {
	var out []Attribute
	add := func(key, value string) {
		if value = strings.TrimSpace(value); value != "" {
			out = append(out, Attribute{key, value})
		}
	}
	add("host.name", hostName(h))
	add("host.id", machineID(h.Root))
	arch := runtime.GOARCH
	if n, ok := archNames[arch]; ok {
		arch = n
	}
	add("host.arch", arch)
	add("os.type", runtime.GOOS)
	release := osRelease(h.Root)
	kernel := readLine(h.Root, "proc/sys/kernel/osrelease")
	add("os.name", release["NAME"])
	add("os.version", release["VERSION_ID"])
	add("os.description", describeOS(release["PRETTY_NAME"], kernel))
	// The downward API of a DaemonSet sets these; there they name the node,
	// which the host name inside a container does not.
	add("k8s.node.name", h.Getenv("K8S_NODE_NAME"))
	add("k8s.cluster.name", h.Getenv("K8S_CLUSTER_NAME"))
	return out
}

// hostName prefers what the host calls itself over what this process's
// container is called.
func hostName(h Host) string {
	if node := h.Getenv("K8S_NODE_NAME"); node != "" {
		return node
	}
	if h.Root != "/" {
		if name := readLine(h.Root, "etc/hostname"); name != "" {
			return name
		}
	}
	name, err := h.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// machineID is the ID that systemd or D-Bus gave this installation.
func machineID(root string) string {
	for _, path := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		if id := readLine(root, path); id != "" && id != "uninitialized" {
			return id
		}
	}
	return ""
}

func describeOS(pretty, kernel string) string {
	switch {
	case kernel == "":
		return pretty
	case pretty == "":
		return "Linux " + kernel
	}
	return pretty + " (kernel " + kernel + ")"
}

// osRelease reads the KEY=value lines of /etc/os-release.
func osRelease(root string) map[string]string {
	out := map[string]string{}
	for _, path := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if ok && !strings.HasPrefix(key, "#") {
				out[key] = strings.Trim(value, `"'`)
			}
		}
		return out
	}
	return out
}

func readLine(root, path string) string {
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
