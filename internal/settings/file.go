package settings

// This file reads and writes settings as YAML 1.2, of which it takes the plain part: mappings, lists of scalars and scalars.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a settings file, in bytes.
const maxFile = 1 << 20

// Read changes the fields of cfg, a pointer to a struct, that the YAML in r names; the others keep their values. A key that cfg
// does not have, a key twice and a value of the wrong type are errors, with the line. On error cfg stays as it was.
func Read(r io.Reader, cfg any) error {
	if _, err := fieldsOf(cfg); err != nil {
		return err
	}
	mapping, err := parseDocument(r)
	if err != nil || mapping == nil {
		return err
	}
	return readInto(mapping, cfg)
}

// ReadPart is Read of a file that has more to it than cfg: groups and settings at the top of the file that cfg does not have are no
// error, but returned, as YAML with their comments.
func ReadPart(r io.Reader, cfg any) (rest string, err error) {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return "", err
	}
	mapping, err := parseDocument(r)
	if err != nil || mapping == nil {
		return "", err
	}
	if mapping.Kind != yaml.MappingNode {
		return "", readInto(mapping, cfg)
	}
	known, others := *mapping, *mapping
	known.Content, others.Content = nil, nil
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		part := &others
		if _, err := find(fields, mapping.Content[i].Value); err == nil {
			part = &known
		}
		part.Content = append(part.Content, mapping.Content[i], mapping.Content[i+1])
	}
	if err := readInto(&known, cfg); err != nil || len(others.Content) == 0 {
		return "", err
	}
	return encode(&others)
}

// parseDocument reads one YAML document; nil if there is nothing, or comments alone.
func parseDocument(r io.Reader) (*yaml.Node, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("settings of over %d bytes: not a settings file", maxFile)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, oneLine(err)
	}
	if err := decoder.Decode(new(yaml.Node)); err == nil {
		return nil, errors.New("settings: more than one YAML document")
	} else if err != io.EOF {
		return nil, oneLine(err)
	}
	return document.Content[0], nil
}

// readInto sets the fields of cfg, all or none.
func readInto(mapping *yaml.Node, cfg any) error {
	// Set the fields of a copy. Assignments replace lists of values and do not write into them, so the copy may share cfg's.
	target := reflect.ValueOf(cfg).Elem()
	changed := reflect.New(target.Type())
	changed.Elem().Set(target)
	fields, err := fieldsToSet(changed.Interface())
	if err != nil {
		return err
	}
	if err := read(mapping, fields, ""); err != nil {
		return err
	}
	target.Set(changed.Elem())
	return nil
}

// read sets the fields whose names start with prefix.
func read(mapping *yaml.Node, fields []field, prefix string) error {
	if isNull(mapping) {
		return nil // a group with all its lines commented out
	}
	if mapping.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want settings as key: value", mapping.Line)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if key.Kind != yaml.ScalarNode || strings.Contains(key.Value, ".") {
			return fmt.Errorf("line %d: a key must be a word without a dot; what is in a group stands below it, indented", key.Line)
		}
		f, err := find(fields, prefix+key.Value)
		if err != nil {
			return fmt.Errorf("line %d: %w", key.Line, err)
		}
		if seen[f.name] {
			return fmt.Errorf("line %d: setting %s is there twice", key.Line, f.name)
		}
		seen[f.name] = true
		if f.group {
			if err := read(value, fields, f.name+"."); err != nil {
				return err
			}
			continue
		}
		if err := f.read(value); err != nil {
			return fmt.Errorf("line %d: %w", value.Line, err)
		}
	}
	return nil
}

// read sets a field that is not a group.
func (f field) read(value *yaml.Node) error {
	if f.value.Kind() != reflect.Slice {
		if value.Kind != yaml.ScalarNode || isNull(value) {
			return fmt.Errorf("setting %s: want one value: %s", f.name, typeName(f.value.Type()))
		}
		return f.assign(value.Value)
	}
	if value.Kind != yaml.SequenceNode {
		return fmt.Errorf("setting %s: want a %s: [a, b]", f.name, typeName(f.value.Type()))
	}
	var elements []string
	for _, element := range value.Content {
		if element.Kind != yaml.ScalarNode || isNull(element) {
			return fmt.Errorf("setting %s: want a %s", f.name, typeName(f.value.Type()))
		}
		elements = append(elements, element.Value)
	}
	return f.assignList(elements)
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// Write writes all settings of cfg, a pointer to a struct, as YAML that Read takes: in the order of the fields, each below its doc
// as a comment. Equal settings give equal bytes.
func Write(w io.Writer, cfg any) error {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return err
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	groups := map[string]*yaml.Node{"": root}
	for _, f := range fields {
		dot := strings.LastIndex(f.name, ".")
		parent := groups[f.name[:max(dot, 0)]]
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: f.name[dot+1:], HeadComment: f.doc}
		value := &yaml.Node{Kind: yaml.MappingNode}
		if f.group {
			groups[f.name] = value
		} else {
			if err := value.Encode(f.value.Interface()); err != nil {
				return fmt.Errorf("writing setting %s: %w", f.name, err)
			}
			if value.Kind == yaml.SequenceNode {
				value.Style = yaml.FlowStyle
			}
		}
		parent.Content = append(parent.Content, key, value)
	}
	text, err := encode(root)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("writing settings: %w", err)
	}
	return nil
}

// encode is a mapping as YAML.
func encode(root *yaml.Node) (string, error) {
	var text strings.Builder
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(root), encoder.Close()); err != nil {
		return "", fmt.Errorf("writing settings: %w", oneLine(err))
	}
	return text.String(), nil
}
