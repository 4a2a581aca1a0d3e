package serve

// This file has what is no API: the page at /, the reference, which is written from the description of the API, and the metrics.

import (
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed page
var page embed.FS

// policy lets a page have nothing but what the server gives it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

func (s *Server) registerPages(mux *http.ServeMux) {
	file := func(name, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			text, err := page.ReadFile("page/" + name)
			if err != nil {
				refuse(w, http.StatusInternalServerError, "the page is missing")
				return
			}
			w.Header().Set("Content-Type", kind+"; charset=utf-8")
			w.Header().Set("Content-Security-Policy", policy)
			_, _ = w.Write(text) // a client that has gone
		}
	}
	mux.HandleFunc("GET /{$}", file("index.html", "text/html"))
	mux.HandleFunc("GET /page.css", file("page.css", "text/css"))
	mux.HandleFunc("GET /page.js", file("page.js", "text/javascript"))
	mux.HandleFunc("GET /reference", s.reference)
	mux.Handle("GET /metrics", s.metrics.handler())
}

var referencePage = template.Must(template.ParseFS(page, "page/reference.html"))

// operation is one of the API, for the reference.
type operation struct {
	Method, Path, Summary string
	Parameters            []*huma.Param
	Bodies, Answers       []string // content types
}

func (s *Server) reference(w http.ResponseWriter, _ *http.Request) {
	api := s.api.OpenAPI()
	var operations []operation
	for path, item := range api.Paths {
		for method, o := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if o == nil {
				continue
			}
			one := operation{Method: method, Path: path, Summary: o.Summary, Parameters: o.Parameters}
			if o.RequestBody != nil {
				one.Bodies = kinds(o.RequestBody.Content)
			}
			if ok := o.Responses["200"]; ok != nil {
				one.Answers = kinds(ok.Content)
			}
			operations = append(operations, one)
		}
	}
	slices.SortFunc(operations, func(a, b operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	_ = referencePage.Execute(w, map[string]any{"Title": api.Info.Title, "Version": api.Info.Version, "About": api.Info.Description, "Operations": operations}) // a client that has gone
}

func kinds(content map[string]*huma.MediaType) (names []string) {
	for name := range content {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
