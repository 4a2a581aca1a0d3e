// Package serve puts learnt energies behind a port: scores with p-values, explanations and samples over HTTP, by an API of its own and by
// the Open Inference Protocol v2, which KServe's and Triton's clients speak.
//
//	s, err := serve.New(serve.Options{Models: []serve.Source{{Name: "digits", Path: "runs/mnist"}}})
//	err = s.Serve(ctx, listener)
//
// Requests that come together are judged together (batch.go). A model is read again without losing a request (models.go). What a client may
// ask for is bounded in size, pixels, number and time, and what it must show is a token, unless only this machine can reach the port
// (guard.go). GET / is a page to try a model, /reference describes the API from what the handlers take and give, /metrics is for Prometheus.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/joule-ebm/joule/engine"
)

// Source is a model to serve: a run directory or a model file.
type Source struct{ Name, Path string }

// Limits bound what clients can ask for. Zero fields have the values of [DefaultLimits].
type Limits struct {
	Body        int64         // bytes of a request
	Pixels      int           // of a picture, as stored; of a model of tiles, which has them as large as they are, of all pictures of a request
	Images      int           // of a request
	Requests    int           // that are worked on, or wait for that, at a time; more are refused with 503
	Connections int           // open at a time; more wait
	Time        time.Duration // for a request, from its first byte to the last of its answer
	Sampling    time.Duration // for one that samples, instead
	Grace       time.Duration // for requests at work when the server stops
}

// DefaultLimits suit a server of a few cores.
var DefaultLimits = Limits{Body: 16 << 20, Pixels: 50_000_000, Images: 1024, Requests: 256, Connections: 512, Time: 30 * time.Second,
	Sampling: 10 * time.Minute, Grace: 10 * time.Second}

// Options say what to serve, and how. All but Models may be zero.
type Options struct {
	Models      []Source
	Detector    string        // that scores; "": see detect.ForModel
	FalseAlarms float64       // the rate that decisions are made at unless a request names another; 0: 1%
	Threads     int           // of each model; 0: one a core
	Engine      engine.Engine // that computes; nil: a CPU engine with those threads for each model
	Wait        time.Duration // how long an image waits for others that are on their way, to be judged with them; 0: 2 ms
	Token       string        // that requests must bear; "": none
	TLS         *tls.Config   // nil: plain HTTP
	Limits      Limits
	Version     string
	Log         *slog.Logger // nil: none
}

func (o *Options) complete() {
	d, l := &DefaultLimits, &o.Limits
	set(&l.Body, d.Body)
	set(&l.Pixels, d.Pixels)
	set(&l.Images, d.Images)
	set(&l.Requests, d.Requests)
	set(&l.Connections, d.Connections)
	set(&l.Time, d.Time)
	set(&l.Sampling, d.Sampling)
	set(&l.Grace, d.Grace)
	set(&o.FalseAlarms, 0.01)
	set(&o.Wait, 2*time.Millisecond)
	set(&o.Version, "unknown")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// set gives what is zero its value.
func set[T comparable](v *T, value T) {
	if *v == *new(T) {
		*v = value
	}
}

// Server serves models.
type Server struct {
	options  Options
	slots    []*slot // of the models, in the order of the options
	api      huma.API
	handler  http.Handler
	metrics  *metrics
	admitted chan struct{} // a place for each request at work
	decoding chan struct{} // a place for each picture being decoded
	sampling chan struct{} // one place: chains use all threads
	watching chan struct{} // a place for each who follows a training
	stopping chan struct{} // closed when the server is about to stop
}

// New opens the models. The server holds them until Close.
func New(o Options) (*Server, error) {
	o.complete()
	if len(o.Models) == 0 {
		return nil, errors.New("serve: no models")
	}
	s := &Server{options: o, metrics: newMetrics(), stopping: make(chan struct{}),
		admitted: make(chan struct{}, o.Limits.Requests), decoding: make(chan struct{}, runtime.GOMAXPROCS(0)), sampling: make(chan struct{}, 1),
		watching: make(chan struct{}, mostWatchers)}
	for _, source := range o.Models {
		if err := s.open(source); err != nil {
			s.Close()
			return nil, err
		}
	}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Joule", o.Version)
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil // its page of documentation asks other servers for scripts
	config.RejectUnknownQueryParameters = true                            // a setting that is misspelt, or of another request, would do nothing
	config.Transformers = append(config.Transformers, asProblem)
	config.Info.Description = "Energies of images by learnt models: scores, p-values, explanations, samples."
	s.api = humago.New(mux, config)
	s.registerInspection()
	s.registerSampling()
	s.registerEditing()
	s.registerTraining()
	s.registerInference()
	s.registerPages(mux)
	s.handler = s.guard(mux)
	return s, nil
}

// open adds a model.
func (s *Server) open(source Source) error {
	if !validName(source.Name) {
		return fmt.Errorf("%.40q is no name for a model: want letters, digits, dashes, underscores and dots", source.Name)
	}
	if s.slot(source.Name) != nil {
		return fmt.Errorf("two models are called %s: give each its own name, as NAME=RUN", source.Name)
	}
	l, err := s.load(source)
	if err != nil {
		return err
	}
	s.slots = append(s.slots, &slot{Source: source, now: l})
	return nil
}

// Handler answers requests.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers requests at a listener, which it closes, until ctx ends; then requests at work have some time left. It may be called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.options.Token == "" && !loopback(l.Addr()) {
		l.Close()
		return fmt.Errorf("%s can be reached from other machines: give a token that clients must bear, or listen at 127.0.0.1", l.Addr())
	}
	scheme := "http"
	if s.options.TLS != nil {
		scheme = "https"
	}
	s.options.Log.Info("listening", "address", fmt.Sprintf("%s://%s/", scheme, l.Addr()))
	l = &limitedListener{Listener: l, places: make(chan struct{}, s.options.Limits.Connections), closed: make(chan struct{})}
	if s.options.TLS != nil {
		l = tls.NewListener(l, s.options.TLS)
	}
	limits := s.options.Limits
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: min(10*time.Second, limits.Time),
		ReadTimeout:       limits.Time,
		WriteTimeout:      2 * limits.Time,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug), // handshakes that fail, connections that break
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	close(s.stopping)
	s.options.Log.Info("stopping", "grace", limits.Grace)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), limits.Grace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		s.options.Log.Warn("requests were cut off", "reason", err)
		return server.Close()
	}
	return nil
}

// Close lets the models go. No request may be at work.
func (s *Server) Close() {
	for _, slot := range s.slots {
		slot.replace(nil)
	}
}

// OpenAPI writes the description of the API, as JSON.
func (s *Server) OpenAPI(w io.Writer) error {
	text, err := s.api.OpenAPI().MarshalJSON()
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}

// problem is an answer that is an error, in the form that the Open Inference Protocol wants.
type problem struct {
	status  int
	headers http.Header
	Message string `json:"error" doc:"what is wrong"`
}

func (p *problem) Error() string           { return p.Message }
func (p *problem) GetStatus() int          { return p.status }
func (p *problem) GetHeaders() http.Header { return p.headers }

func problemf(status int, format string, args ...any) error {
	return &problem{status: status, Message: fmt.Errorf(format, args...).Error()}
}

// asProblem gives what huma finds wrong, such as with a parameter, the form of all other errors.
func asProblem(_ huma.Context, _ string, answer any) (any, error) {
	e, ok := answer.(*huma.ErrorModel)
	if !ok {
		return answer, nil
	}
	p := &problem{status: e.Status, Message: e.Detail}
	for _, d := range e.Errors {
		p.Message += fmt.Sprintf(": %s (%s)", d.Message, d.Location)
	}
	return p, nil
}

// failure is the answer to a request that failed for no fault of its own, or that has no more time.
func (s *Server) failure(ctx context.Context, err error) error {
	switch p := (*problem)(nil); {
	case err == nil || errors.As(err, &p):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return problemf(http.StatusServiceUnavailable, "it took longer than allowed; ask for less, or later")
	case ctx.Err() != nil:
		return problemf(499, "the client has gone")
	}
	s.options.Log.Error("request failed", "reason", err)
	return problemf(http.StatusInternalServerError, "%w", err)
}
