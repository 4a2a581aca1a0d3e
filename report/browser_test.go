package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The page as a browser shows it. The browser opens a frame of the width of a phone, in which the page is; a script in the document
// about the frame measures the page and leaves what it finds as text.

// frame is that document.
const frame = `<!doctype html><link rel="icon" href="data:,"><title>frame</title><body style="margin:0"><pre id="found"></pre>
<iframe id="page" src="/PAGE" style="width:360px;height:2000px;border:0"></iframe>
<script>
onload = () => {
	const w = page.contentWindow, d = page.contentDocument, width = d.documentElement.clientWidth
	const hidden = e => e.closest(".scroll, pre, details:not([open])")
	found.textContent = JSON.stringify({
		width, scroll: d.documentElement.scrollWidth,
		wide: [...d.body.querySelectorAll("*")].filter(e => !hidden(e) && e.getBoundingClientRect().right > width + 0.5).map(e => e.outerHTML.slice(0, 80)),
		sections: [...d.querySelectorAll("h2")].map(e => e.id),
		requests: w.performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.startsWith("data:")),
		broken: [...d.images].filter(i => !i.complete || !i.naturalWidth).length,
		text: Math.min(...[...d.querySelectorAll("svg.chart")].map(s => 12 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)),
		colour: w.getComputedStyle(d.body).backgroundColor,
	})
}
</script>`

// findings are what the frame finds.
type findings struct {
	Width, Scroll  float64
	Wide, Sections []string
	Requests       []string
	Broken         int
	Text           float64 // height of the smallest letters of a chart, in pixels
	Colour         string  // of the page, from its style sheet
}

// browser is a headless Chromium.
type browser struct {
	path string
	url  string // of the pages

	mu        sync.Mutex
	requested []string
}

// newBrowser serves pages by name. It skips the test where there is no time or no browser.
func newBrowser(t *testing.T, pages map[string]string) *browser {
	t.Helper()
	if os.Getenv("JOULE_LONG") == "" {
		t.Skip("starts a browser: set JOULE_LONG=1 to run it")
	}
	b := &browser{}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			b.path = path
			break
		}
	}
	if b.path == "" {
		t.Skip("there is no Chromium: apt-get install chromium")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.requested = append(b.requested, r.URL.Path)
		b.mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if name, ok := strings.CutPrefix(r.URL.Path, "/frame/"); ok {
			io.WriteString(w, strings.Replace(frame, "PAGE", name, 1))
		} else if page, ok := pages[r.URL.Path[1:]]; ok {
			io.WriteString(w, page)
		} else {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// run starts the browser and returns what it prints: standard output, and the lines of the pages' consoles.
func (b *browser) run(t *testing.T, args ...string) (stdout string, console []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--no-first-run", "--hide-scrollbars", "--force-device-scale-factor=1",
		"--enable-logging=stderr", "--user-data-dir=" + t.TempDir(), "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"}, args...)...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if failed := cmd.Run(); failed != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, failed, err.String())
	}
	for line := range strings.Lines(err.String()) {
		if strings.Contains(line, "CONSOLE") {
			console = append(console, line)
		}
	}
	return out.String(), console
}

// look opens a page in the frame.
func (b *browser) look(t *testing.T, page string, args ...string) (f findings, console []string) {
	t.Helper()
	dom, console := b.run(t, append(args, "--dump-dom", b.url+"/frame/"+page)...)
	found := regexp.MustCompile(`(?s)<pre id="found">(.*?)</pre>`).FindStringSubmatch(dom)
	if found == nil {
		t.Fatalf("the browser printed %.2000s", dom)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &f); err != nil {
		t.Fatalf("%v in %.2000s", err, found[1])
	}
	return f, console
}

// faults are what is wrong with a page.
func (f findings) faults(console []string) (faults []string) {
	if f.Scroll > f.Width || len(f.Wide) > 0 {
		faults = append(faults, fmt.Sprintf("too wide: %v pixels of %v, %q", f.Scroll, f.Width, f.Wide))
	}
	if len(f.Requests) > 0 {
		faults = append(faults, fmt.Sprintf("requests: %q", f.Requests))
	}
	if f.Broken > 0 {
		faults = append(faults, fmt.Sprintf("pictures: %d are broken", f.Broken))
	}
	if len(console) > 0 {
		faults = append(faults, fmt.Sprintf("console: %q", console))
	}
	return faults
}

const dark = "--blink-settings=preferredColorScheme=0"

func TestInBrowser(t *testing.T) {
	text := page(t, whole(t))
	bad := strings.Replace(text, "</body>", `<p style="color:red">a</p><script>b()</script><img src="http://example.invalid/c.png" alt="d"><pre>e</pre>
		<table><tr><td>`+strings.Repeat("f", 100)+`</table></body>`, 1)
	incomplete := newRun(t, 3)
	if err := os.RemoveAll(filepath.Join(incomplete, "samples")); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, map[string]string{"page": text, "bad": bad, "incomplete": page(t, read(t, incomplete))})

	f, console := b.look(t, "page")
	for _, fault := range f.faults(console) {
		t.Error(fault)
	}
	if !slices.Equal(f.Sections, sections) {
		t.Errorf("sections %q, want %q", f.Sections, sections)
	}
	if f.Width != 360 || f.Text < 9.5 {
		t.Errorf("a page of %v pixels, letters of %.1f", f.Width, f.Text)
	}
	inDark, console := b.look(t, "page", dark)
	for _, fault := range inDark.faults(console) {
		t.Error("dark:", fault)
	}
	if inDark.Colour == f.Colour {
		t.Errorf("light and dark are both %s", f.Colour)
	}
	f, console = b.look(t, "incomplete")
	for _, fault := range f.faults(console) {
		t.Error("incomplete:", fault)
	}
	for _, path := range b.requested {
		if path != "/page" && path != "/incomplete" && !strings.HasPrefix(path, "/frame/") {
			t.Errorf("the browser asked for %s", path)
		}
	}

	// The test sees what it looks for.
	f, console = b.look(t, "bad")
	faults := strings.Join(f.faults(console), "\n")
	for _, want := range []string{"too wide", "pictures: ", "console: ", "script-src", "style-src", "img-src"} {
		if !strings.Contains(faults, want) {
			t.Errorf("a bad page is not found to have %q: %s", want, faults)
		}
	}
}

// Pictures of the page, light and dark and on paper: set JOULE_SHOTS to a directory to look at them.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("JOULE_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	b := newBrowser(t, map[string]string{"page": page(t, whole(t))})
	shot := func(name string, args ...string) image.Image {
		path := filepath.Join(dir, name)
		b.run(t, append(args, "--window-size=1100,1600", "--screenshot="+path, b.url+"/page")...)
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		img, err := png.Decode(file)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	brightness := func(img image.Image) float64 {
		sum, size := 0.0, img.Bounds().Size()
		for y := range size.Y {
			for x := range size.X {
				r, g, b, _ := img.At(x, y).RGBA()
				sum += float64(r+g+b) / 3 / 0xffff
			}
		}
		return sum / float64(size.X*size.Y)
	}
	light, inDark := brightness(shot("light.png")), brightness(shot("dark.png", dark))
	if light < 0.6 || inDark > 0.35 {
		t.Errorf("light has a brightness of %.2f, dark of %.2f", light, inDark)
	}

	paper := filepath.Join(dir, "page.pdf")
	b.run(t, "--print-to-pdf="+paper, b.url+"/page")
	text, err := os.ReadFile(paper)
	if pages := bytes.Count(text, []byte("/Type /Page\n")); err != nil || !bytes.HasPrefix(text, []byte("%PDF-")) || pages < 3 || pages > 20 {
		t.Errorf("%d pages on paper, %v", pages, err)
	}
}
