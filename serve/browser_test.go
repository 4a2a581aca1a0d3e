package serve_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/joule-ebm/joule/serve"
)

// visit is a document with the page in a frame of the width of a phone. Its script does what a person does, by the page's own controls, and
// sends what it finds.
const visit = `<!doctype html><link rel="icon" href="data:,"><title>visit</title><body style="margin:0">
<iframe id="page" src="/" style="width:360px;height:2400px;border:0"></iframe>
<script>
const until = async (what, test) => { for (let i = 0; i < 400; i++) { if (test()) return; await new Promise(r => setTimeout(r, 50)) } throw new Error("never: " + what) }
onload = async () => {
	const w = page.contentWindow, d = page.contentDocument, found_ = {}
	const $ = id => d.getElementById(id)
	try {
		if (TOKEN) {
			await until("the question for the token", () => !$("login").hidden)
			$("token").value = TOKEN
			$("login").requestSubmit()
		}
		await until("models", () => $("model").options.length > 0)
		found_.about = $("about").textContent
		found_.hidden = ["login", "class"].filter(id => $(id).offsetHeight > 0)
		await until("curves and samples of the training", () => d.querySelectorAll("#charts svg").length && !$("buffer").hidden)
		found_.training = $("going").textContent + "; " + [...d.querySelectorAll("#charts svg")].map(s => s.getAttribute("aria-label")).join("; ") + "; " + $("buffer").alt
		$("pause").click()
		found_.paused = $("pause").textContent
		const bytes = Uint8Array.from(atob("PICTURE"), c => c.charCodeAt(0)), files = new w.DataTransfer()
		files.items.add(new w.File([bytes], "digit.png", { type: "image/png" }))
		files.items.add(new w.File(["hello"], "note.png", { type: "image/png" }))
		$("drop").dispatchEvent(new w.DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }))
		await until("a judgement", () => $("status").textContent.includes("judged"))
		found_.status = $("status").textContent
		found_.results = $("results").innerText
		const verdict = rate => { $("rate").value = rate; $("rate").dispatchEvent(new w.Event("input")); return d.querySelector(".verdict").textContent + " at " + $("percent").value }
		found_.verdicts = [verdict(-3), verdict(-0.3)]
		found_.heat = d.querySelector("canvas").getAttribute("aria-label")
		$("images").value = 4
		$("start").click()
		const frames = new Set()
		await until("samples", () => { frames.add($("samples").alt); return $("drawing").textContent.includes("drawn") })
		found_.samples = $("samples").alt
		found_.frames = frames.size
		found_.unnamed = [...d.querySelectorAll("input, select, button, img, canvas, progress")].filter(e => !(e.labels?.length || e.ariaLabel || e.alt || e.textContent || e.hidden)).map(e => e.outerHTML.slice(0, 80))
		found_.width = d.documentElement.clientWidth
		found_.scroll = d.documentElement.scrollWidth
		found_.small = [...d.querySelectorAll("button, select")].filter(e => e.offsetHeight && e.offsetHeight < 20).length
		found_.broken = [...d.images].filter(i => !i.hidden && (!i.complete || !i.naturalWidth)).length
		found_.colour = w.getComputedStyle(d.body).backgroundColor
	} catch (error) {
		found_.error = String(error)
	}
	await fetch("/found", { method: "POST", body: JSON.stringify(found_) })
}
</script>`

type found struct {
	About, Status, Results, Heat, Samples, Colour, Error string
	Training, Paused                                     string
	Verdicts, Unnamed, Hidden                            []string
	Frames, Small, Broken                                int
	Width, Scroll                                        float64
}

// TestPageInBrowser drops pictures, moves the slider and draws samples in Chromium.
func TestPageInBrowser(t *testing.T) {
	if os.Getenv("JOULE_LONG") == "" {
		t.Skip("starts a browser: set JOULE_LONG=1 to run it")
	}
	chromium := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		t.Skip("there is no Chromium: apt-get install chromium")
	}
	colours := map[string]bool{}
	for _, token := range []string{"", "0123456789abcdef"} {
		path := newRun(t, 300)
		s, err := serve.New(serve.Options{Models: []serve.Source{{Name: "digits", Path: path}}, Threads: 2, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		text := strings.NewReplacer("PICTURE", base64.StdEncoding.EncodeToString(picture(pixels(5, 1))), "TOKEN", fmt.Sprintf("%q", token)).Replace(visit)
		var mu sync.Mutex
		var requested []string
		results := make(chan found, 1)
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			requested = append(requested, r.URL.Path)
			mu.Unlock()
			if r.URL.Path == "/visit" {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = io.WriteString(w, text)
				return
			}
			if r.URL.Path == "/found" {
				var f found
				if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
					t.Error(err)
				}
				results <- f
				return
			}
			s.Handler().ServeHTTP(w, r)
		}))
		defer h.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
			"--no-first-run", "--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + t.TempDir(),
			"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"}
		if token != "" {
			args = append(args, "--blink-settings=preferredColorScheme=0")
		}
		args = append(args, "--remote-debugging-port=0") // so that it stays until it is ended
		cmd := exec.CommandContext(ctx, chromium, append(args, h.URL+"/visit")...)
		var console bytes.Buffer
		cmd.Stderr = &console
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var f found
		select {
		case f = <-results:
			cancel()
		case <-ctx.Done():
		}
		_ = cmd.Wait() // ended by us
		if f.About == "" || f.Error != "" {
			t.Fatalf("%+v\n%s", f, console.String())
		}
		for what, ok := range map[string]bool{
			"the model":        strings.Contains(f.About, "digits: images of 12×12"),
			"a picture judged": strings.Contains(f.Status, "1 of 2 judged") && strings.Contains(f.Results, "p-value") && strings.Contains(f.Results, "note.png"),
			"the decision":     len(f.Verdicts) == 2 && strings.HasPrefix(f.Verdicts[0], "In distribution at 0.10 %") && strings.Contains(f.Verdicts[1], "at 50 %"),
			"the heat map":     strings.Contains(f.Heat, "hottest in row"),
			"the training": strings.HasPrefix(f.Training, "Iteration 300 of 9000; Energy over 300 iterations, now: data 1.50, samples -2.50; Loss over ") &&
				strings.HasSuffix(f.Training, "; samples from the replay buffer after iteration 10") && f.Paused == "Go on",
			"what is hidden": len(f.Hidden) == 0,
			"samples":        strings.Contains(f.Samples, "4 samples after 9 of 9 steps"),
			"names":          len(f.Unnamed) == 0,
			"the width":      f.Width == 360 && f.Scroll <= f.Width,
			"pictures":       f.Broken == 0,
			"sizes":          f.Small == 0,
		} {
			if !ok {
				t.Errorf("%s: %+v", what, f)
			}
		}
		for line := range strings.Lines(console.String()) {
			if strings.Contains(line, "CONSOLE") && !strings.Contains(line, "422") && !strings.Contains(line, "401") { // what is no picture, and the token
				t.Error(line)
			}
		}
		for _, path := range requested {
			if path != "/visit" && path != "/found" && path != "/" && !strings.HasPrefix(path, "/page.") && !strings.HasPrefix(path, "/v1/models") {
				t.Errorf("the browser asked for %s", path)
			}
		}
		colours[f.Colour] = true
	}
	if len(colours) != 2 {
		t.Errorf("light and dark are both %v", colours)
	}
}
