package capture

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"inquest/analyze/evidence"
	"inquest/recorder/manifest"
)

// Process is a local Go process, looked at without touching it.
type Process struct {
	PID   int
	Name  string
	Facts []string // what /proc tells, one sentence each

	process   *os.Process // held from before it was looked at, so that no other is ended that got its number
	goVersion string
	proc      string // its folder under /proc
	stderr    string // where its stderr goes
	refused   error  // why SIGQUIT would end it for nothing
}

// Inspect looks at a process. It fails where there is no /proc, and for what is no Go program.
func Inspect(pid int) (*Process, error) {
	if runtime.GOOS != "linux" {
		return nil, advice{errors.New("finding a process's stderr needs Linux"), fmt.Sprintf("kill -QUIT %d makes a Go process print its goroutines to its stderr and exit", pid)}
	}
	p := &Process{PID: pid, proc: fmt.Sprintf("/proc/%d", pid)}
	if _, err := os.Stat(p.proc); err != nil {
		return nil, errors.New("no such process")
	}
	var err error
	if p.process, err = os.FindProcess(pid); err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(p.proc + "/exe")
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, advice{errors.New("permission denied"), "it belongs to another user"}
	case err != nil:
		return nil, errors.New("no Go program, which SIGQUIT would end without a goroutine dump")
	}
	p.goVersion = info.GoVersion
	exe, _ := os.Readlink(p.proc + "/exe")
	p.Name = strings.TrimSuffix(filepath.Base(exe), " (deleted)")
	p.Facts = append(p.Facts, fmt.Sprintf("%s, built with %s", p.Name, p.goVersion))
	p.resources()
	p.whereStderrGoes()
	return p, nil
}

// resources adds what limits the process.
func (p *Process) resources() {
	for line := range strings.Lines(p.read("status")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "Threads":
			p.Facts = append(p.Facts, value+" threads")
		case "VmRSS":
			p.Facts = append(p.Facts, value+" in memory")
		}
	}
	if fds, err := os.ReadDir(p.proc + "/fd"); err == nil {
		fact := fmt.Sprintf("%d open files", len(fds))
		for line := range strings.Lines(p.read("limits")) {
			if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
				if most := strings.Fields(rest); len(most) > 0 {
					fact += " of " + most[0]
				}
			}
		}
		p.Facts = append(p.Facts, fact)
	}
	for line := range strings.Lines(p.read("cgroup")) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok || strings.Contains(group, "..") {
			continue
		}
		for _, limit := range []struct{ file, says string }{{"cpu.max", "microseconds of processor time per period"}, {"memory.max", "bytes of memory"}} {
			data, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", group, limit.file))
			if text := strings.TrimSpace(string(data)); err == nil && !strings.HasPrefix(text, "max") {
				p.Facts = append(p.Facts, fmt.Sprintf("its cgroup allows %s %s", text, limit.says))
			}
		}
	}
}

// whereStderrGoes finds out whether a dump could be read.
func (p *Process) whereStderrGoes() {
	link := p.proc + "/fd/2"
	target, err := os.Readlink(link)
	const server = "a net/http/pprof server is asked without harm: inquest capture URL -o DIR"
	hint := fmt.Sprintf("kill -QUIT %d ends it and sends the dump there; ", p.PID) + server
	refuse := func(format string, args ...any) {
		p.refused = advice{fmt.Errorf(format, args...), hint}
		p.Facts = append(p.Facts, p.refused.Error())
	}
	switch {
	case err != nil:
		refuse("its stderr is closed: the dump would be lost")
		return
	case target == "/dev/null":
		refuse("its stderr is /dev/null: the dump would be lost")
		return
	}
	info, err := os.Stat(link)
	switch {
	case err != nil:
		refuse("its stderr cannot be looked at: %v", err)
		return
	case info.Mode().IsRegular():
		p.stderr = link
		p.Facts = append(p.Facts, "its stderr is the file "+target)
	case info.Mode()&os.ModeNamedPipe != 0:
		reader := ""
		if names := p.readers(target); len(names) > 0 {
			reader = ", which is read by " + strings.Join(names, ", ")
		}
		refuse("its stderr is a pipe%s: what is read of it here would be missing there", reader)
		return
	case info.Mode()&os.ModeSocket != 0:
		refuse("its stderr is a socket, as it is under systemd: the dump would be in the journal, journalctl _PID=%d", p.PID)
		return
	default:
		refuse("its stderr is %s: the dump would appear there", target)
		return
	}
	hint = server // the signal would bring nothing
	for setting := range bytes.SplitSeq([]byte(p.read("environ")), []byte{0}) {
		if v := string(setting); v == "GOTRACEBACK=none" || v == "GOTRACEBACK=0" {
			refuse("it runs with %s: it would end without a dump", v)
		}
	}
	// Bit 2 of the mask is signal 3.
	for line := range strings.Lines(p.read("status")) {
		if mask, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			if bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64); err == nil && bits&(1<<(syscall.SIGQUIT-1)) != 0 {
				refuse("it ignores SIGQUIT")
			}
		}
	}
}

// readers names the processes that hold the other end of a pipe, as far as they can be seen.
func (p *Process) readers(pipe string) []string {
	var out []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		if proc == p.proc || len(out) >= 3 {
			continue
		}
		fds, _ := os.ReadDir(proc + "/fd")
		for _, fd := range fds {
			if target, _ := os.Readlink(proc + "/fd/" + fd.Name()); target != pipe {
				continue
			}
			// The last octal digit of flags is 0 for what is open for reading alone.
			info, _ := os.ReadFile(proc + "/fdinfo/" + fd.Name())
			_, flags, _ := strings.Cut(string(info), "flags:")
			if f := strings.Fields(flags); len(f) == 0 || !strings.HasSuffix(f[0], "0") {
				continue
			}
			name, _ := os.ReadFile(proc + "/comm")
			out = append(out, fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), filepath.Base(proc)))
			break
		}
	}
	slices.Sort(out)
	return out
}

func (p *Process) read(name string) string {
	f, err := os.Open(p.proc + "/" + name)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, _ := io.ReadAll(io.LimitReader(f, 1<<20))
	return string(data)
}

// Quit says how a process is ended for its dump.
type Quit struct {
	Wait     time.Duration // for the process to end
	MaxBytes int64         // of what it writes
	Version  string        // of the tool, for the manifest
}

// Quit sends SIGQUIT to the process, waits until it has ended and keeps in dir what it wrote to
// stderr meanwhile. Where that could not be read, the process is left alone and the error says so.
func (p *Process) Quit(ctx context.Context, dir string, opt Quit) (*manifest.Manifest, error) {
	if p.refused != nil {
		return nil, p.refused
	}
	log, err := os.Open(p.stderr)
	if err != nil {
		return nil, fmt.Errorf("its stderr cannot be read, so it was left alone: %w", err)
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	m := &manifest.Manifest{Schema: evidence.ManifestSchema, Tool: manifest.Tool{Name: "inquest capture", Version: opt.Version},
		Source: fmt.Sprintf("process %d, ended with SIGQUIT", p.PID), Notes: p.Facts,
		Program: manifest.Program{Name: p.Name, PID: p.PID, GoVersion: p.goVersion}}
	m.Started = time.Now().UTC().Round(time.Millisecond)
	m.Files = []manifest.File{{Name: "dump.txt", Request: "SIGQUIT", Started: m.Started, Attempts: 1,
		Result: evidence.InPart, Why: "the capture was cut short"}}
	w, err := manifest.Create(dir, m) // before the process is ended for what could then not be kept
	if err != nil {
		return nil, err
	}
	defer w.Abandon()
	if err := p.process.Signal(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	limit := time.Now().Add(opt.Wait)
	for p.alive() && time.Now().Before(limit) && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	if p.alive() {
		m.Notes = append(m.Notes, fmt.Sprintf("it had not ended %v after SIGQUIT; it may handle the signal itself", opt.Wait))
	}
	m.Ended = time.Now().UTC().Round(time.Millisecond)

	if info, err := log.Stat(); err == nil && info.Size() < from {
		from = 0 // cut short by who rotates it
	}
	out, err := os.OpenFile(filepath.Join(dir, "dump.txt"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(out, io.NewSectionReader(log, from, opt.MaxBytes))
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, err
	}
	f := &m.Files[0]
	f.Why, f.Ended = "", m.Ended
	if err := judgeFile(dir, f); err != nil {
		return nil, err
	}
	if f.Result == evidence.Taken && n == opt.MaxBytes {
		f.Result, f.Why = evidence.InPart, "cut at --max-bytes"
	}
	if err := w.Close(m); err != nil {
		return nil, err
	}
	if f.Result == evidence.Failed {
		return m, fmt.Errorf("it wrote no dump to its stderr: %s", f.Why)
	}
	return m, nil
}

// alive reports whether the process still runs. One that waits for its parent to notice has ended.
func (p *Process) alive() bool {
	stat := p.read("stat")
	_, rest, ok := strings.Cut(stat[max(0, strings.LastIndexByte(stat, ')')):], ") ")
	return ok && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}
