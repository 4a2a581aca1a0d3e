package serve_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/joule-ebm/joule/serve"
)

// hostile are bodies that no client of good will sends: what a decoder may be made to work for, or to take memory for.
func hostile() map[string][]byte {
	good := picture(pixels(1, 1))
	huge := bytes.Clone(good) // claims to be 65,000 pixels wide and high
	copy(huge[16:], []byte{0, 0, 0xfd, 0xe8, 0, 0, 0xfd, 0xe8})
	damaged := bytes.Clone(good)
	damaged[len(damaged)/2] ^= 0xff
	noise := make([]byte, 10_000)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	return map[string][]byte{"cut short": good[:len(good)/2], "damaged": damaged, "huge by its header": huge, "noise": noise,
		"a GIF without end": append([]byte("GIF89a\xff\xff\xff\xff\x80\x00\x00"), noise...), "a BMP of nothing": append([]byte("BM"), make([]byte, 60)...),
		"deep JSON": bytes.Repeat([]byte(`{"images":[`), 20_000), "a TIFF that points at itself": []byte("II*\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00")}
}

// 64 clients, by TLS and with a token, some of whom send what is hostile, or go away, while models are read again: all others get the right
// answer, and no memory and no goroutine is kept.
func TestLoad(t *testing.T) {
	if os.Getenv("JOULE_LONG") == "" {
		t.Skip("puts the server under load: set JOULE_LONG=1 to run it")
	}
	const clients, each, token = 64, 16, "0123456789abcdef"
	path := filepath.Join(t.TempDir(), "m.safetensors")
	save(t, path, 1, true)
	example := httptest.NewTLSServer(nil) // for its certificate, and a client that trusts it
	defer example.Close()
	s, err := serve.New(serve.Options{Models: []serve.Source{{Name: "m", Path: path}}, Threads: 2, Token: token, Limits: serve.Limits{Pixels: 1_000_000},
		TLS: &tls.Config{Certificates: example.TLS.Certificates, MinVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	client := example.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	post := func(ctx context.Context, kind string, body []byte) (int, string) {
		r, err := http.NewRequestWithContext(ctx, "POST", "https://"+l.Addr().String()+"/v1/models/m/score", bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := client.Do(r)
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return 0, ""
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	good, bad := picture(pixels(5, 1)), hostile()
	code, want := post(t.Context(), "image/png", good)
	if code != 200 {
		t.Fatalf("status %d, %s", code, want)
	}
	var answered atomic.Int64
	load := func() {
		var group sync.WaitGroup
		for c := range clients {
			group.Go(func() {
				for i := range each {
					ctx := t.Context()
					switch (c + i) % 4 {
					case 0: // hostile
						for what, body := range bad {
							kind := "application/octet-stream"
							if strings.Contains(what, "JSON") {
								kind = "application/json"
							}
							if code, text := post(ctx, kind, body); code != 400 && code != 422 && code != 503 || !json.Valid([]byte(text)) {
								t.Errorf("%s: status %d, %.200s", what, code, text)
							}
							break // another one each time
						}
						continue
					case 1: // goes away
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
						defer cancel()
					}
					switch code, text := post(ctx, "image/png", good); {
					case code == 200 && text == want:
						answered.Add(1)
					case code != 0 && code != 503:
						t.Errorf("status %d, %s, want %s", code, text, want)
					}
				}
			})
		}
		if err := s.Reload(); err != nil {
			t.Error(err)
		}
		group.Wait()
	}
	kept := func() (bytes uint64, goroutines int) {
		client.CloseIdleConnections()
		var m runtime.MemStats
		for range 50 { // connections and models that are no longer used end in a moment
			runtime.GC()
			runtime.ReadMemStats(&m)
			if goroutines = runtime.NumGoroutine(); goroutines < 20 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		return m.HeapAlloc, goroutines
	}
	load()
	before, _ := kept()
	for range 2 {
		load()
	}
	after, goroutines := kept()
	if answered.Load() < clients*each {
		t.Errorf("%d answers of %d requests", answered.Load(), 3*clients*each)
	}
	if after > before+4<<20 || goroutines > clients {
		t.Errorf("%d KiB and %d goroutines are kept after the load, %d KiB before it", after>>10, goroutines, before>>10)
	}
	t.Logf("%d answers; %d KiB before, %d KiB and %d goroutines after", answered.Load(), before>>10, after>>10, goroutines)
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
