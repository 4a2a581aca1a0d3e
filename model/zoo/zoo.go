// Package zoo has models that Joule has trained, to be used by name wherever a run can be: "zoo:mnist".
//
//	m, err := model.Open("zoo:mnist") // with this package imported
//
// Each has a card that says what it was trained on and how, what it is worth, where it fails and under which terms it may be used. Small
// models are in the program. Others are published elsewhere: [Catalogue.Fetch] brings them into the user's cache directory, and nothing that
// has not the card's checksum is ever opened.
//
// To add a model: train it by the commands of its card, which end in joule zoo pack, put the file into models/ (or where its card's URL
// says), write its card beside it, and record what it does by go test ./model/zoo -update.
package zoo

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/joule-ebm/joule/internal/remote"
	"github.com/joule-ebm/joule/model"
)

// Scheme and a colon come before the names of the models.
const Scheme = "zoo"

// Card says what a model is.
type Card struct {
	Name    string   `json:"-"`       // of its files
	About   string   `json:"about"`   // in a line
	Data    string   `json:"data"`    // what it was trained on
	Recipe  []string `json:"recipe"`  // the commands that make it
	Figures []Figure `json:"figures"` // what it is worth
	Limits  []string `json:"limits"`  // where it fails, and what it is not for
	Licence string   `json:"licence"`

	URL    string `json:"url,omitempty"` // where its file is published; empty: in the program
	Size   int64  `json:"size"`          // of its file, in bytes
	SHA256 string `json:"sha256"`
}

// Figure is a number that was measured, with the command that measured it.
type Figure struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Low   *float64 `json:"low,omitempty"` // of an interval of 95%; nil where there is none
	High  *float64 `json:"high,omitempty"`
	By    string   `json:"by"`
}

// A Catalogue is a folder of cards, NAME.json, and of model files, NAME.safetensors, for those that are not published elsewhere.
type Catalogue struct {
	Files fs.FS
	// Cache is the directory of the models that were fetched; empty: the usual one, in the user's cache directory.
	Cache string
}

//go:embed models
var files embed.FS

// Default are the models that come with Joule.
func Default() Catalogue {
	sub, err := fs.Sub(files, "models")
	if err != nil {
		panic(err) // a valid name
	}
	return Catalogue{Files: sub}
}

func init() {
	if err := model.RegisterSource(Scheme, Default().Read); err != nil {
		panic(err) // a program registered another zoo
	}
}

// Cards lists the models by name.
func (c Catalogue) Cards() ([]Card, error) {
	names, err := fs.Glob(c.Files, "*.json")
	if err != nil {
		return nil, err
	}
	var cards []Card
	for _, name := range names {
		card, err := c.Card(strings.TrimSuffix(path.Base(name), ".json"))
		if err != nil {
			return nil, err
		}
		cards = append(cards, card)
	}
	return cards, nil
}

// Card is that of a model.
func (c Catalogue) Card(name string) (Card, error) {
	content, err := fs.ReadFile(c.Files, name+".json")
	if err != nil {
		var known []string
		names, _ := fs.Glob(c.Files, "*.json")
		for _, n := range names {
			known = append(known, strings.TrimSuffix(n, ".json"))
		}
		slices.Sort(known)
		return Card{}, fmt.Errorf("%s:%.60s: no such model: want one of %s", Scheme, name, strings.Join(known, ", "))
	}
	card := Card{Name: name}
	if err := json.Unmarshal(content, &card); err != nil {
		return card, fmt.Errorf("the card of %s: %w", name, err)
	}
	return card, nil
}

// source is where a card's file is published.
func (card Card) source() remote.Source {
	return remote.Source{Name: card.Name + ".safetensors", URL: card.URL, Size: card.Size, SHA256: card.SHA256}
}

// Read gives the content of a model's file. One that is published elsewhere has to have been fetched.
func (c Catalogue) Read(name string) ([]byte, error) {
	card, err := c.Card(name)
	if err != nil {
		return nil, err
	}
	var content []byte
	if card.URL == "" {
		content, err = fs.ReadFile(c.Files, name+".safetensors")
	} else {
		var at string
		if at, err = c.cached(card); err != nil {
			return nil, err
		}
		if content, err = os.ReadFile(at); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s:%s (%.1f MB) is published elsewhere and not here yet: joule zoo fetch %s", Scheme, name, float64(card.Size)/1e6, name)
		}
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != card.SHA256 {
		return nil, fmt.Errorf("%s:%s: the file is not the one that the card describes (its SHA-256 is not %s)", Scheme, name, card.SHA256)
	}
	return content, nil
}

// cached is where the file of a model that is published elsewhere is kept.
func (c Catalogue) cached(card Card) (string, error) {
	if c.Cache != "" {
		return filepath.Join(c.Cache, card.source().Name), nil
	}
	return remote.CachePath(filepath.Join(Scheme, card.source().Name))
}

// Fetch brings a model that is published elsewhere into the cache, unless it is there. It calls progress with the number of bytes that have
// come since the last call.
func (c Catalogue) Fetch(ctx context.Context, client *http.Client, name string, progress func(bytes int)) error {
	card, err := c.Card(name)
	if err != nil || card.URL == "" {
		return err
	}
	at, err := c.cached(card)
	if err != nil {
		return err
	}
	if there, err := card.source().Check(at); there || err != nil {
		return err
	}
	return card.source().Fetch(ctx, client, at, progress)
}

// String is the card as joule zoo show prints it, in Markdown.
func (card Card) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s:%s\n\n%s\n\n", Scheme, card.Name, card.About)
	fmt.Fprintf(&b, "Data: %s\nLicence: %s\nFile: %.2f MB", card.Data, card.Licence, float64(card.Size)/1e6)
	if card.URL != "" {
		fmt.Fprintf(&b, ", %s", card.URL)
	}
	fmt.Fprintf(&b, "\nSHA-256: %s\n\n## Recipe\n\n", card.SHA256)
	for _, command := range card.Recipe {
		fmt.Fprintf(&b, "    %s\n", command)
	}
	b.WriteString("\n## Figures\n\n| | value | 95% interval | by |\n|---|--:|---|---|\n")
	for _, f := range card.Figures {
		interval := ""
		if f.Low != nil && f.High != nil {
			interval = fmt.Sprintf("%.4g to %.4g", *f.Low, *f.High)
		}
		fmt.Fprintf(&b, "| %s | %.4g | %s | `%s` |\n", f.Name, f.Value, interval, f.By)
	}
	b.WriteString("\n## Limits\n\n")
	for _, l := range card.Limits {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	return b.String()
}
