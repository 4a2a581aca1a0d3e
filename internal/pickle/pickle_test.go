package pickle_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/joule-ebm/joule/internal/pickle"
)

// {'b': [1, -2, 0.5, None, True], 'a': ('x', b'y')} by protocol 2, and what follows it.
func TestRead(t *testing.T) {
	data := "\x80\x02}q\x00(X\x01\x00\x00\x00bq\x01]q\x02(K\x01J\xfe\xff\xff\xffG?\xe0\x00\x00\x00\x00\x00\x00N\x88eX\x01\x00\x00\x00aX\x01\x00\x00\x00xU\x01y\x86u.rest"
	object, rest, err := pickle.Read([]byte(data), pickle.Vocabulary{})
	if err != nil || string(rest) != "rest" {
		t.Fatalf("%v, then %q", err, rest)
	}
	want := &pickle.Dict{Keys: []string{"b", "a"}, Fields: map[string]any{
		"b": &pickle.List{Items: []any{int64(1), int64(-2), 0.5, nil, true}},
		"a": pickle.Tuple{pickle.Text("x"), pickle.Text("y")},
	}}
	if !reflect.DeepEqual(object, want) {
		t.Errorf("read %#v, want %#v", object, want)
	}
	if v := (*pickle.Dict)(nil).Get("b"); v != nil {
		t.Errorf("no dictionary has %v", v)
	}
}

// A vocabulary decides what names mean; without one, nothing is named, called, built or fetched.
func TestVocabulary(t *testing.T) {
	words := pickle.Vocabulary{
		Knows:      func(name pickle.Name) bool { return name == "m.f" },
		Call:       func(name pickle.Name, args pickle.Tuple) (any, error) { return []any{name, len(args)}, nil },
		Build:      func(object, state any) error { object.([]any)[1] = state; return nil },
		Persistent: func(id any) (any, error) { return id.(int64) + 1, nil },
	}
	for data, want := range map[string]any{
		"\x80\x02cm\nf\nK\x05\x85R.":       []any{pickle.Name("m.f"), 1},
		"\x80\x02cm\nf\nK\x05\x85RK\x07b.": []any{pickle.Name("m.f"), int64(7)},
		"\x80\x02K\x05Q.":                  int64(6),
	} {
		got, _, err := pickle.Read([]byte(data), words)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", data, got, err, want)
		}
		if _, _, err := pickle.Read([]byte(data), pickle.Vocabulary{}); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%q without a vocabulary: %v", data, err)
		}
	}
	if _, _, err := pickle.Read([]byte("\x80\x02K\x05K\x05\x85R."), words); err == nil {
		t.Error("a number is called")
	}
}

// The bytes that protocol 2 of Python 3 writes as a text are read by whoever reads a pickle.
func TestBytes(t *testing.T) {
	object, _, err := pickle.Read([]byte("\x80\x02c_codecs\nencode\nX\x03\x00\x00\x00a\u00e9U\x06latin1\x86R."), pickle.Vocabulary{})
	if want := pickle.Text("a\xe9"); err != nil || !reflect.DeepEqual(object, want) {
		t.Errorf("read %q, %v; want %q", object, err, want)
	}
}
