package serve

// This file stands before all handlers. It asks for the token, bounds time, numbers and sizes, and keeps web pages of others from using a
// server on the machine of who looks at them: their requests name another host (DNS rebinding) or another origin.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// openPaths are those that need no token: what says nothing of models, and the page, which asks for the token.
var openPaths = map[string]bool{"/": true, "/page.css": true, "/page.js": true, "/v2/health/live": true, "/v2/health/ready": true}

// guard is what all requests go through.
func (s *Server) guard(mux *http.ServeMux) http.Handler {
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		switch {
		case s.options.Token == "" && !localHost(r.Host):
			refuse(w, http.StatusForbidden, "the host of the address is not this machine: use localhost or 127.0.0.1")
			return
		case s.options.Token != "" && !openPaths[r.URL.Path] && !s.bears(r):
			h.Set("WWW-Authenticate", `Bearer realm="joule"`)
			refuse(w, http.StatusUnauthorized, "want the header Authorization: Bearer TOKEN, with the token that the server was given")
			return
		case r.ContentLength > s.options.Limits.Body:
			h.Set("Connection", "close") // what it sends is not read
			refuse(w, http.StatusRequestEntityTooLarge, "the request is too large")
			return
		case r.Header.Get("Content-Encoding") != "" && r.Header.Get("Content-Encoding") != "identity":
			refuse(w, http.StatusUnsupportedMediaType, "compressed requests are not read")
			return
		}
		if !known(mux, w, r) {
			return
		}
		limit, control := s.options.Limits.Time, http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(limit)) // a writer without deadlines is a test's
		if !receive(w, r, s.options.Limits.Body) {
			return
		}
		if takesLong(r.URL.Path) {
			limit = s.options.Limits.Sampling
			_ = control.SetWriteDeadline(time.Now().Add(limit))
		}
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		r = r.WithContext(ctx)
		mux.ServeHTTP(w, r)
		if a, ok := w.(*answered); ok {
			a.route = r.Pattern
		}
	})
	return s.metrics.count(http.NewCrossOriginProtection().Handler(guarded))
}

// known refuses what nobody handles, in the form of all other errors.
func known(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) bool {
	if _, pattern := mux.Handler(r); pattern != "" {
		return true
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := *r
		other.Method = method
		if _, pattern := mux.Handler(&other); pattern != "" {
			w.Header().Set("Allow", method)
			refuse(w, http.StatusMethodNotAllowed, "want a "+method+" request")
			return false
		}
	}
	refuse(w, http.StatusNotFound, "there is no such address: GET /reference lists those that there are")
	return false
}

// receive reads the body, so that whatever else has deadlines for that has nothing to wait for.
func receive(w http.ResponseWriter, r *http.Request, most int64) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		return true
	}
	w.Header().Set("Connection", "close")
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		refuse(w, http.StatusRequestEntityTooLarge, "the request is too large")
	} else {
		refuse(w, http.StatusRequestTimeout, "the request did not come in time")
	}
	return false
}

// takesLong says whether what is asked for draws samples, or goes on as long as a training.
func takesLong(path string) bool {
	for _, end := range []string{"/sample", "/sample/stream", "/edit", "/training"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"error":"` + message + `"}`)) // a client that has gone
}

// bears says whether a request bears the token; how long that takes says nothing of the token.
func (s *Server) bears(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.options.Token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// localHost says whether a request was made to this machine by a name that is this machine's for everybody.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// loopback says whether an address can be reached from this machine alone.
func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok && a.Network() == "unix" || ok && tcp.IP.IsLoopback()
}

// admit takes a place among the requests at work, or refuses. The request has been read by then: who sends slowly takes nobody's place.
func (s *Server) admit() (leave func(), err error) {
	select {
	case s.admitted <- struct{}{}:
		return func() { <-s.admitted }, nil
	default:
		s.metrics.refused.Inc()
		return nil, &problem{status: http.StatusServiceUnavailable, headers: http.Header{"Retry-After": {"1"}}, Message: "too many requests at a time: try again"}
	}
}

// limitedListener bounds the connections that are open at a time.
type limitedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
