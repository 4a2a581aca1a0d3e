package main

// joule serve: models behind a port.

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/joule-ebm/joule/engine"
	"github.com/joule-ebm/joule/serve"
)

type serveOptions struct {
	hardware
	listen     string
	detector   string
	falseAlarm rate
	tokenFile  string
	cert, key  string
	threads    uint
	wait       time.Duration
	logFormat  string
	limits     serve.Limits
	megabytes  float64
	megapixels float64
}

func newServeCommand() *cobra.Command {
	o := serveOptions{falseAlarm: 0.01, limits: serve.DefaultLimits}
	o.megabytes, o.megapixels = float64(o.limits.Body)/(1<<20), float64(o.limits.Pixels)/1e6
	cmd := &cobra.Command{
		Use:   "serve [NAME=]RUN...",
		Short: "Serve models over HTTP: scores with p-values, explanations, samples, and a page to try them",
		Long: `Serve models over HTTP. RUN is a run directory or a model.safetensors file; its NAME in addresses is that
of the directory or file unless another is given. Open the address in a browser to try a model.

  POST /v1/models/NAME/score      pictures, as the body, as the files of a form, or as JSON with base64
  POST /v1/models/NAME/explain    the same, with where the energy is high and what it would rather see
  POST /v1/models/NAME/sample     a picture of samples; .../sample/stream sends the chains as they move
  POST /v1/models/NAME/edit       pictures filled in, enlarged, cleaned or changed, as by joule edit
  GET  /v1/models/NAME/training   the curves and samples of a run while it trains
  /v2/...                         the Open Inference Protocol, for clients of KServe and Triton: input image,
                                  UINT8 [N,H,W,C] or FP32 in [0,1]; outputs energy and p_value, FP64 [N]
  /reference, /openapi.json       all of it, from what the handlers take and give
  /metrics                        for Prometheus; with drift, as joule watch notices it

Requests that come together are judged together. The models are read again on SIGHUP, without a request
being lost; a model that cannot be read stays as it was. On Ctrl-C or SIGTERM requests at work are
answered first.

Only this machine can reach the default address. Elsewhere a token is asked for: clients send
Authorization: Bearer TOKEN. It comes from --token-file, or the variable JOULE_TOKEN.`,
		Example: `  joule serve runs/mnist
  joule serve digits=runs/mnist faces=celeba.safetensors --false-alarm 0.5%
  joule serve digits=runs/mnist --listen :8443 --token-file token --tls-cert cert.pem --tls-key key.pem
  curl --data-binary @photo.jpg 'http://127.0.0.1:8080/v1/models/digits/score?false_alarm=0.05'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return serveModels(cmd, args, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` and port to listen at; port 0: any free one")
	f.StringVar(&o.detector, "detector", "", "`name` of the detector that scores, as of joule score")
	f.Var(&o.falseAlarm, "false-alarm", "decide at this rate of false alarms unless a request names another")
	f.StringVar(&o.tokenFile, "token-file", "", "`file` whose first line is the token that clients must bear")
	f.StringVar(&o.cert, "tls-cert", "", "`file` with the certificate and its chain (PEM), to serve HTTPS")
	f.StringVar(&o.key, "tls-key", "", "`file` with the private key (PEM)")
	f.UintVar(&o.threads, "threads", 0, "threads of each model (default one a core)")
	o.addFlags(f)
	f.DurationVar(&o.wait, "batch-wait", 2*time.Millisecond, "how long an image waits for others that are on their way, to be judged with them")
	f.Float64Var(&o.megabytes, "max-body", o.megabytes, "largest request, in `MiB`")
	f.Float64Var(&o.megapixels, "max-pixels", o.megapixels, "largest picture, or all of a request to a model of tiles, in `millions` of pixels")
	f.IntVar(&o.limits.Images, "max-images", o.limits.Images, "most images of a request")
	f.IntVar(&o.limits.Requests, "max-requests", o.limits.Requests, "most requests at work at a time; more are refused (503)")
	f.IntVar(&o.limits.Connections, "max-connections", o.limits.Connections, "most connections at a time; more wait")
	f.DurationVar(&o.limits.Time, "timeout", o.limits.Time, "longest time for a request")
	f.DurationVar(&o.limits.Sampling, "sample-timeout", o.limits.Sampling, "longest time for one that samples")
	f.DurationVar(&o.limits.Grace, "grace", o.limits.Grace, "time for requests at work when the server stops")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	return cmd
}

func (o *serveOptions) check() error {
	if (o.cert == "") != (o.key == "") {
		return usageErrorf("--tls-cert and --tls-key go together: give both")
	}
	for flag, d := range map[string]time.Duration{"batch-wait": o.wait, "timeout": o.limits.Time, "sample-timeout": o.limits.Sampling, "grace": o.limits.Grace} {
		if d <= 0 || d > 24*time.Hour {
			return usageErrorf("--%s is %v: want more than 0 and at most 24h", flag, d)
		}
	}
	if !(o.megabytes > 0 && o.megabytes <= 4096) || !(o.megapixels > 0 && o.megapixels <= 128) {
		return usageErrorf("--max-body is %v and --max-pixels %v: want more than 0, and at most 4096 MiB and 128 million", o.megabytes, o.megapixels)
	}
	o.limits.Body, o.limits.Pixels = int64(o.megabytes*(1<<20)), int(o.megapixels*1e6)
	return checkBounds(bounds{"max-images", o.limits.Images, 1, million}, bounds{"max-requests", o.limits.Requests, 1, million},
		bounds{"max-connections", o.limits.Connections, 1, million}, bounds{"threads", int(o.threads), 0, mostThreads})
}

// newLog writes lines of text or of JSON.
func newLog(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, usageErrorf("--log-format is %.20q: want text or json", format)
}

// token is the one that clients must bear; "" if there is none.
func (o *serveOptions) token() (string, error) {
	text := os.Getenv("JOULE_TOKEN")
	if o.tokenFile != "" {
		file, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		if text, _, _ = strings.Cut(string(file), "\n"); strings.TrimSpace(text) == "" {
			return "", fmt.Errorf("--token-file: %s: its first line is empty: put a token there", o.tokenFile)
		}
	}
	text = strings.TrimSpace(text)
	const fewest = 16
	if text != "" && len(text) < fewest {
		return "", fmt.Errorf("the token has %d characters, which can be guessed: want %d or more, as of openssl rand -hex 16", len(text), fewest)
	}
	return text, nil
}

// sources understands arguments such as digits=runs/mnist.
func sources(args []string) (all []serve.Source) {
	for _, arg := range args {
		name, path, named := strings.Cut(arg, "=")
		if _, err := os.Stat(arg); !named || err == nil { // a path may have = in it
			path = arg
			name = strings.TrimSuffix(filepath.Base(filepath.Clean(arg)), ".safetensors")
			name = name[strings.LastIndex(name, ":")+1:] // of a model such as zoo:mnist
			if abs, err := filepath.Abs(arg); err == nil && (name == "." || name == "..") {
				name = filepath.Base(abs)
			}
		}
		all = append(all, serve.Source{Name: name, Path: path})
	}
	return all
}

func serveModels(cmd *cobra.Command, args []string, o serveOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	log, err := newLog(cmd.ErrOrStderr(), o.logFormat)
	if err != nil {
		return err
	}
	for _, arg := range args {
		if strings.HasSuffix(arg, "=") {
			return usageErrorf("%s: want NAME=RUN, or RUN alone", arg)
		}
	}
	options := serve.Options{Models: sources(args), Detector: o.detector, FalseAlarms: float64(o.falseAlarm), Threads: int(o.threads), Wait: o.wait,
		Limits: o.limits, Version: version(), Log: log}
	if options.Token, err = o.token(); err != nil {
		return err
	}
	if options.Engine, err = o.openEngine(int(o.threads), engine.Float32); err != nil {
		return err
	}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		options.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	defer listener.Close()
	server, err := serve.New(options)
	if err != nil {
		return err
	}
	defer server.Close()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	go func() {
		for range reload {
			if err := server.Reload(); err != nil {
				log.Error("reload", "reason", err)
			}
		}
	}()
	return server.Serve(cmd.Context(), listener)
}
