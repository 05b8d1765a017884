package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of /proc/PID/stat; the kernel's interface fixes it at 1/100 s.
const tick = 10 * time.Millisecond

// statFields are the fields of /proc/PID/stat from the third one on (proc(5)).
func statFields(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) {
		out = append(out, string(f))
	}
	return out, nil
}

func sumTicks(fields []string) (time.Duration, error) {
	var total time.Duration
	for _, f := range fields {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * tick
	}
	return total, nil
}

// processTime is the user and system time of a process, all threads.
func processTime(pid int) (time.Duration, error) {
	f, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return sumTicks(f[11:13])
}

// childrenTime is the time of those children of a process that have ended.
func childrenTime(pid int) (time.Duration, error) {
	f, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return sumTicks(f[13:15])
}

func parentOf(pid int) (int, error) {
	f, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(f[1])
}

// memoryOf reads a figure of /proc/PID/status, such as VmHWM, in bytes.
func memoryOf(pid int, name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == name+":" {
			kb, err := strconv.ParseInt(string(f[1]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", pid, name)
}
