package joule_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme: the library in README.md is the one of the example.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	shown := between(t, string(readme), "```go\n", "```")
	tested := between(t, string(source), "\t// README begins.\n", "\t// README ends.\n")
	if tested = strings.ReplaceAll("\n"+tested, "\n\t", "\n")[1:]; shown != tested {
		t.Errorf("README.md shows\n%s\nbut example_test.go tests\n%s", shown, tested)
	}
}

// between is the text after the first begin and before the next end.
func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, begin)
	inside, _, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("no text between %q and %q", begin, end)
	}
	return inside
}

// link is a link in Markdown to a file of the project, and what it names there.
var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinks: what the documents point to is there.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append(documents, more...) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), match[1])); err != nil {
				t.Errorf("%s points to %s, which is not there", document, match[1])
			}
		}
	}
}
