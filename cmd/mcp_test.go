package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// talk starts inquest mcp as a client does, over its standard input and output.
func talk(t *testing.T, opt *sdk.ClientOptions, args ...string) *sdk.ClientSession {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Args = append([]string{"inquest", "mcp"}, args...)
	c.Stderr = os.Stderr
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, opt).Connect(t.Context(), &sdk.CommandTransport{Command: c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return session
}

// ask calls a tool and reads its structured answer; failed is whether the tool said that it failed, with text.
func ask(t *testing.T, s *sdk.ClientSession, tool string, args map[string]any, into any) (text string, failed bool) {
	t.Helper()
	r, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s %v: %v", tool, args, err)
	}
	for _, c := range r.Content {
		if c, ok := c.(*sdk.TextContent); ok {
			text += c.Text
		}
	}
	if into != nil && !r.IsError {
		data, err := json.Marshal(r.StructuredContent)
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return text, r.IsError
}

type asked struct {
	Answer   string
	Findings []struct {
		ID, Detector, Function string
		Facts                  []struct{ Exhibit, Value, Command string }
	}
	Count, Next int
	Undecided   []string
	Verdicts    map[string]string
	Exhibits    []struct{ ID, Kind, Path string }
}

type seen struct {
	Rows []struct {
		What  string
		Stack []string
		Line  int
	}
	Count, Next int
	Note        string
}

// maxAnswer is 2,000 tokens of JSON, which are three and a half bytes each or more.
const maxAnswer = 7000

// TestMCPFindsRoots drills down from the answer to the stacks that prove it, as a client would.
func TestMCPFindsRoots(t *testing.T) {
	s := talk(t, nil, "--root", "../fixtures")
	for _, c := range []struct{ path, function, kind, stack string }{
		{"locks/orders-lockheld", "main.(*Book).Place", "dump", "main.(*Book).Place"},
		{"memory/sessions-mapgrowth", "main.", "heap", "main."},
		{"crashes/tickets-mapcrash", "main.", "crash", "concurrent map"},
	} {
		var a asked
		if text, failed := ask(t, s, "analyze", map[string]any{"paths": []string{c.path}}, &a); failed || len(text) > maxAnswer {
			t.Fatalf("%s: failed %v, an answer of %d bytes: %s", c.path, failed, len(text), text)
		}
		t.Logf("%s: %s", c.path, a.Answer)
		if len(a.Findings) == 0 || !strings.Contains(a.Findings[0].Function, c.function) {
			t.Errorf("%s: findings %+v, want the first at %s", c.path, a.Findings, c.function)
			continue
		}
		for _, e := range a.Exhibits {
			if e.Kind != c.kind {
				continue
			}
			q := map[string]any{"path": c.path, "exhibit": e.ID, "function": a.Findings[0].Function}
			if c.kind == "crash" {
				q = map[string]any{"path": c.path, "exhibit": e.ID, "holding": c.stack}
			}
			var p seen
			if text, failed := ask(t, s, "evidence", q, &p); failed || len(p.Rows) == 0 || !strings.Contains(text, c.stack) {
				t.Errorf("%s: evidence %v shows %s", c.path, q, text)
			}
			break
		}
	}
}

// TestMCPTools calls every tool, and asks each for what it must refuse.
func TestMCPTools(t *testing.T) {
	s := talk(t, nil, "--root", "../fixtures")
	tools, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools.Tools {
		if tool.Name == "capture" {
			t.Error("capture is offered without --allow-capture")
		}
		if tool.Description == "" || tool.InputSchema == nil || tool.OutputSchema == nil {
			t.Errorf("%s lacks words or a schema", tool.Name)
		}
	}
	for _, c := range []struct {
		tool string
		args map[string]any
		want string // in the answer, or in what the failure says where it begins with "!"
	}{
		{"inspect", map[string]any{"paths": []string{"locks/orders-lockheld"}}, "What this evidence can speak to"},
		{"account", map[string]any{"paths": []string{"locks/orders-lockheld"}}, "main.(*Warehouse).Reserve"},
		{"account", map[string]any{"paths": []string{"locks/orders-lockheld"}, "name": "memory", "size": 1}, `"not_listed":`},
		{"account", map[string]any{"paths": []string{"locks/orders-lockheld"}, "name": "sleep"}, "!there are processors"},
		{"explain", nil, "goroutine-pileup"},
		{"explain", map[string]any{"detector": "mutex-hotspot"}, "When it is wrong"},
		{"explain", map[string]any{"detector": "mutex-hotspt"}, "!mutex-hotspot"},
		{"diff", map[string]any{"before": "locks/orders-lockheld-fixed", "after": "locks/orders-lockheld"}, `"verdict":"regression"`},
		{"analyze", map[string]any{"paths": []string{"locks/orders-lockheld"}, "only": []string{"map-growth"}}, "undecided: heap profile"},
		{"analyze", map[string]any{"paths": []string{"locks/orders-lockheld"}, "from": 5}, `"count":6`},
		{"analyze", map[string]any{"paths": []string{"locks/orders-lockheld"}, "window": "1s,1.2s"}, "main.(*Book).Place"},
		{"analyze", map[string]any{"paths": []string{"../go.mod"}}, "!no such file"},
		{"analyze", map[string]any{"paths": []string{"/etc/passwd"}}, "!no such file"},
		{"analyze", map[string]any{"paths": []string{"-"}}, "!no such file"},
		{"analyze", map[string]any{"paths": []string{"--follow"}}, "!no such file"},
		{"analyze", map[string]any{"only": []string{"nothing"}}, "!no detector"},
		{"diff", map[string]any{"before": "locks/*", "after": "locks"}, "!no such file"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld"}, "!say which exhibit: e1"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld", "exhibit": "e99"}, "!say which exhibit: e1"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/heap-1.pb.gz", "column": "alloc_space"}, "alloc_space"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/heap-1.pb.gz", "column": "joules"}, "!it has alloc_objects"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/trace.out", "window": "1s,1.2s"}, "the part from 1 s on"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/trace.out", "window": "soon"}, "!want FROM,TO"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/dump.txt", "goroutine": 1}, "main.main"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/dump.txt", "goroutine": -7}, "!no goroutine -7"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/dump.txt", "holding": "sync.Mutex.Lock", "size": 2}, `"next":2`},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/dump.txt", "function": "nowhere"}, "!nothing in the exhibit fits"},
		{"evidence", map[string]any{"path": "locks/orders-lockheld/cpu.pb.gz", "from": 1 << 40, "size": -3}, `"rows":[]`},
	} {
		text, failed := ask(t, s, c.tool, c.args, nil)
		want, refused := strings.CutPrefix(c.want, "!")
		if failed != refused || !strings.Contains(text, want) || len(text) > maxAnswer {
			t.Errorf("%s %v: failed %v, %d bytes: %.600s\nwant %s", c.tool, c.args, failed, len(text), text, c.want)
		}
	}
}

// TestMCPStaysInside refuses links that lead out of the root.
func TestMCPStaysInside(t *testing.T) {
	root := t.TempDir()
	outside, err := filepath.Abs("../fixtures/locks/orders-lockheld")
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"case": outside, "dump.txt": filepath.Join(outside, "dump.txt")} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Skip(err)
		}
	}
	s := talk(t, nil, "--root", root)
	for _, path := range []string{"case", "dump.txt", "case/dump.txt", "."} {
		text, failed := ask(t, s, "analyze", map[string]any{"paths": []string{path}}, nil)
		if !failed || strings.Contains(text, "main.") {
			t.Errorf("%s: failed %v: %s", path, failed, text)
		}
	}
}

// TestMCPProgressAndCancel asks for progress, and calls off what takes long.
func TestMCPProgressAndCancel(t *testing.T) {
	told := make(chan float64, 1000)
	s := talk(t, &sdk.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
		told <- r.Params.Progress / r.Params.Total
	}}, "--root", "../fixtures")
	params := &sdk.CallToolParams{Name: "analyze", Arguments: map[string]any{"paths": []string{"locks/orders-lockheld"}}}
	params.SetProgressToken("p")
	if _, err := s.CallTool(t.Context(), params); err != nil {
		t.Fatal(err)
	}
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Error("no progress was told")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.CallTool(ctx, params); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was called off ended with %v", err)
	}
	if _, failed := ask(t, s, "explain", nil, nil); failed {
		t.Error("after a call was called off the server does not answer")
	}
}

// TestMCPCapture records a program where that is allowed.
func TestMCPCapture(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := httptest.NewServer(mux)
	defer server.Close()
	root := t.TempDir()
	s := talk(t, nil, "--root", root, "--allow-capture")
	if text, failed := ask(t, s, "capture", map[string]any{"url": server.URL, "folder": "../case"}, nil); !failed {
		t.Errorf("a folder outside of the root was taken: %s", text)
	}
	if text, failed := ask(t, s, "capture", map[string]any{"url": "unix:/x.sock", "folder": "case"}, nil); !failed {
		t.Errorf("a socket was taken: %s", text)
	}
	if text, failed := ask(t, s, "capture", map[string]any{"url": server.URL, "folder": "case", "seconds": 1}, nil); failed {
		t.Fatal(text)
	}
	var a asked
	if text, failed := ask(t, s, "analyze", map[string]any{"paths": []string{"case"}}, &a); failed || len(a.Exhibits) < 4 {
		t.Errorf("the case that was recorded: %s", text)
	}
}
