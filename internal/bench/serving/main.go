// Command serving measures servers of the Open Inference Protocol: so many clients, each with one request at a time, for so long.
//
//	joule serve digits=mnist.safetensors --listen 127.0.0.1:8081
//	MODEL=mnist.onnx python internal/bench/serving/onnxruntime_server.py 8082     a file of joule export --gradient=false
//	go run ./internal/bench/serving http://127.0.0.1:8081 http://127.0.0.1:8082
//
// The servers take turns. Addresses of this machine alone are taken.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

func main() {
	model := flag.String("model", "digits", "name of the model")
	seconds := flag.Duration("for", 7*time.Second, "time for each server and number of clients")
	flag.Parse()
	if err := compare(*model, *seconds, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "serving:", err)
		os.Exit(1)
	}
}

func compare(model string, duration time.Duration, servers []string) error {
	for _, clients := range []int{1, 8, 64} {
		for _, server := range servers {
			address, err := url.Parse(server)
			if err != nil || address.Hostname() != "127.0.0.1" {
				return fmt.Errorf("%s: want an address of this machine, such as http://127.0.0.1:8080", server)
			}
			took, err := load(server+"/v2/models/"+model+"/infer", clients, duration)
			if err != nil {
				return err
			}
			slices.Sort(took)
			quantile := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))].Round(10 * time.Microsecond) }
			fmt.Printf("%s %3d clients: p50 %v, p99 %v, %.0f images/s\n", server, clients, quantile(0.5), quantile(0.99), float64(len(took))/duration.Seconds())
		}
	}
	return nil
}

// load sends images of 28×28 as bytes, one a request, and returns how long each answer took.
func load(address string, clients int, duration time.Duration) (took []time.Duration, err error) {
	pixels := make([]byte, 28*28)
	for i := range pixels {
		pixels[i] = byte(i * 31)
	}
	header, err := json.Marshal(map[string]any{"outputs": []any{map[string]any{"name": "energy"}}, "inputs": []any{map[string]any{"name": "image",
		"datatype": "UINT8", "shape": []int{1, 28, 28, 1}, "parameters": map[string]any{"binary_data_size": len(pixels)}}}})
	if err != nil {
		return nil, err
	}
	body := append(slices.Clone(header), pixels...)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	var mu sync.Mutex
	var group sync.WaitGroup
	end := time.Now().Add(duration)
	for range clients {
		group.Go(func() {
			for time.Now().Before(end) {
				begun := time.Now()
				failed := ask(client, address, body, len(header))
				mu.Lock()
				if took = append(took, time.Since(begun)); failed != nil {
					err = failed
				}
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return took, err
}

func ask(client *http.Client, address string, body []byte, header int) error {
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("Inference-Header-Content-Length", strconv.Itoa(header))
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", answer.StatusCode, text)
	}
	return err
}
