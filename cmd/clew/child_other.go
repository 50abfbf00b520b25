//go:build !linux

package main

import "syscall"

// childAttributes keeps Ctrl-C from reaching a child directly.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
