// Package pickle reads Python pickles of plain data: dictionaries, lists, tuples, numbers and strings as Python 2 and 3 write them
// (protocols 2 to 5), and what else its caller knows the meaning of.
//
// A pickle is a program for a stack machine that may name and call any Python function. This reader calls nothing: it knows the
// names that its caller gives it, leaves to the caller what calling them means, and refuses everything else; of its own it knows but the
// call that protocol 2 of Python 3 writes bytes as. Strings are views into the input, each is decoded or made a key once, and the number of
// objects is bounded, so a small file cannot make a large object. Source: the Python standard library's pickletools.
package pickle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// maxPickled bounds the objects a pickle may make; CIFAR-100's largest makes some 400,000.
const maxPickled = 1 << 21

// What a pickle is made of; besides these nil, bool, int64, float64, and what a Vocabulary makes.
type (
	Text  []byte // a string or bytes
	Tuple []any
	Name  string // a Python name, "module.name"
	List  struct{ Items []any }
	Dict  struct {
		Fields map[string]any // entries whose keys are strings; others are dropped
		Keys   []string       // of Fields, in the order of the pickle
	}
)

// Get is the entry under a key, nil if there is none or no dictionary.
func (d *Dict) Get(key string) any {
	if d == nil {
		return nil
	}
	return d.Fields[key]
}

func (d *Dict) set(key string, value any) {
	if _, ok := d.Fields[key]; !ok {
		d.Keys = append(d.Keys, key)
	}
	d.Fields[key] = value
}

// NewDict is an empty dictionary.
func NewDict() *Dict { return &Dict{Fields: map[string]any{}} }

// Strings makes strings of texts, one of each object, however often a pickle refers to it.
type Strings map[*byte]string

// Of is the text as a string.
func (s Strings) Of(text Text) string {
	if len(text) == 0 {
		return ""
	}
	made, ok := s[&text[0]]
	if !ok {
		made = string(text)
		s[&text[0]] = made
	}
	return made
}

// A Vocabulary says what a pickle may name and what that means. Nil functions refuse.
type Vocabulary struct {
	// Knows says whether a name has a meaning.
	Knows func(name Name) bool
	// Call gives the meaning of calling a known name.
	Call func(name Name, arguments Tuple) (any, error)
	// Build gives an object that Call made its state.
	Build func(object, state any) error
	// Persistent gives the object outside the pickle that an identifier stands for.
	Persistent func(id any) (any, error)
}

// ErrObject refuses an object that has no meaning here.
var ErrObject = errors.New("the pickle makes an object that no data need: refused")

var (
	errShort = errors.New("the pickle is cut short: fetch the file again")
	errStack = errors.New("damaged pickle: an operation lacks its operands")
)

// unpickler is the stack machine.
type unpickler struct {
	in    []byte
	stack []any
	marks []int // stack heights
	memo  map[uint32]any
	made  int // objects so far
	spare int // bytes that may still be decoded, at most those of the input
	keys  Strings
	words Vocabulary
}

// Read reads one pickled object and returns it with the bytes that follow it.
func Read(data []byte, words Vocabulary) (object any, rest []byte, err error) {
	u := &unpickler{in: data, memo: map[uint32]any{}, spare: len(data), keys: Strings{}, words: words}
	for {
		op, err := u.take(1)
		if err != nil {
			return nil, nil, err
		}
		if op[0] == '.' {
			if len(u.stack) != 1 {
				return nil, nil, errStack
			}
			return u.stack[0], u.in, nil
		}
		if err := u.step(op[0]); err != nil {
			return nil, nil, err
		}
	}
}

// take reads n bytes of the input.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.in)) {
		return nil, errShort
	}
	b := u.in[:n:n]
	u.in = u.in[n:]
	return b, nil
}

// number reads a little-endian unsigned integer of the given width in bytes.
func (u *unpickler) number(width uint64) (uint64, error) {
	b, err := u.take(width)
	if err != nil {
		return 0, err
	}
	var eight [8]byte
	copy(eight[:], b)
	return binary.LittleEndian.Uint64(eight[:]), nil
}

// line reads up to a newline.
func (u *unpickler) line() (string, error) {
	text, _, ok := bytes.Cut(u.in[:min(len(u.in), 256)], []byte{'\n'})
	if !ok {
		return "", errShort
	}
	u.in = u.in[len(text)+1:]
	return string(text), nil
}

func (u *unpickler) push(x any) error {
	if u.made++; u.made > maxPickled {
		return fmt.Errorf("the pickle makes more than %d objects: refused", maxPickled)
	}
	u.stack = append(u.stack, x)
	return nil
}

// pop takes the n topmost objects, the last pushed last. It does not reach below a mark.
func (u *unpickler) pop(n int) ([]any, error) {
	floor := 0
	if len(u.marks) > 0 {
		floor = u.marks[len(u.marks)-1]
	}
	if len(u.stack)-n < floor {
		return nil, errStack
	}
	top := u.stack[len(u.stack)-n:]
	u.stack = u.stack[:len(u.stack)-n]
	return top, nil
}

// popMark takes what was pushed since the last mark.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errStack
	}
	top, err := u.pop(len(u.stack) - u.marks[len(u.marks)-1])
	u.marks = u.marks[:len(u.marks)-1]
	return top, err
}

// textWidths are the operations that push a string or bytes, with the width of the length before it.
var textWidths = map[byte]uint64{
	'U': 1, 'T': 4, // BINSTRING
	0x8c: 1, 'X': 4, 0x8d: 8, // BINUNICODE
	'C': 1, 'B': 4, 0x8e: 8, // BINBYTES
	0x96: 8, // BYTEARRAY8
}

// step carries out one operation.
func (u *unpickler) step(op byte) error {
	if width, ok := textWidths[op]; ok {
		n, err := u.number(width)
		if err != nil {
			return err
		}
		text, err := u.take(n)
		if err != nil {
			return err
		}
		return u.push(Text(text))
	}
	switch op {
	case 0x80: // PROTO
		version, err := u.number(1)
		if err == nil && (version < 2 || version > 5) {
			err = fmt.Errorf("pickle protocol %d: only 2 to 5 are read", version)
		}
		return err
	case 0x95: // FRAME
		_, err := u.take(8)
		return err
	case '(': // MARK
		if len(u.marks) >= maxPickled {
			return errStack
		}
		u.marks = append(u.marks, len(u.stack))
		return nil

	case 'N':
		return u.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return u.push(op == 0x88)
	case 'K', 'M': // BININT1, BININT2
		n, err := u.number(map[byte]uint64{'K': 1, 'M': 2}[op])
		if err != nil {
			return err
		}
		return u.push(int64(n))
	case 'J': // BININT
		n, err := u.number(4)
		if err != nil {
			return err
		}
		return u.push(int64(int32(n)))
	case 0x8a: // LONG1, two's complement of the width given
		width, err := u.number(1)
		if err != nil {
			return err
		}
		if width > 8 {
			return fmt.Errorf("the pickle holds a %d-byte integer: refused", width)
		}
		n, err := u.number(width)
		if err != nil {
			return err
		}
		shift := 64 - 8*width
		return u.push(int64(n<<shift) >> shift)

	case 'G': // BINFLOAT, big-endian
		b, err := u.take(8)
		if err != nil {
			return err
		}
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))

	case '}':
		return u.push(NewDict())
	case ']':
		return u.push(&List{})
	case ')':
		return u.push(Tuple(nil))
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		items, err := u.pop(int(op) - 0x84)
		if err != nil {
			return err
		}
		return u.push(append(Tuple(nil), items...))
	case 't': // TUPLE
		items, err := u.popMark()
		if err != nil {
			return err
		}
		return u.push(append(Tuple(nil), items...))

	case 'q', 'r', 0x94: // BINPUT, LONG_BINPUT, MEMOIZE
		at := uint64(len(u.memo))
		if op != 0x94 {
			var err error
			if at, err = u.number(map[byte]uint64{'q': 1, 'r': 4}[op]); err != nil {
				return err
			}
		}
		if len(u.stack) == 0 || len(u.memo) >= maxPickled {
			return errStack
		}
		u.memo[uint32(at)] = u.stack[len(u.stack)-1]
		return nil
	case 'h', 'j': // BINGET, LONG_BINGET
		at, err := u.number(map[byte]uint64{'h': 1, 'j': 4}[op])
		if err != nil {
			return err
		}
		x, ok := u.memo[uint32(at)]
		if !ok {
			return errStack
		}
		return u.push(x)

	case 'a', 'e': // APPEND, APPENDS
		items, err := u.operands(op == 'e', 1)
		if err != nil {
			return err
		}
		list, ok := u.top().(*List)
		if !ok {
			return errStack
		}
		list.Items = append(list.Items, items...)
		return nil
	case 's', 'u': // SETITEM, SETITEMS
		items, err := u.operands(op == 'u', 2)
		if err != nil {
			return err
		}
		dict, ok := u.top().(*Dict)
		if !ok || len(items)%2 != 0 {
			return errStack
		}
		for i := 0; i < len(items); i += 2 {
			if key, ok := items[i].(Text); ok {
				dict.set(u.keys.Of(key), items[i+1])
			}
		}
		return nil

	case 'c', 0x93: // GLOBAL, STACK_GLOBAL
		return u.name(op)
	case 'R', 0x81: // REDUCE, NEWOBJ: call a function, or make an object of a class
		operands, err := u.pop(2)
		if err != nil {
			return err
		}
		name, ok := operands[0].(Name)
		arguments, ok2 := operands[1].(Tuple)
		var made any
		switch {
		case ok && ok2 && name == encodeText:
			made, err = u.encode(arguments)
		case ok && ok2 && u.words.Call != nil:
			made, err = u.words.Call(name, arguments)
		default:
			err = ErrObject
		}
		if err != nil {
			return err
		}
		return u.push(made)
	case 'b': // BUILD: give an object its state
		state, err := u.pop(1)
		if err != nil {
			return err
		}
		if u.words.Build == nil {
			return ErrObject
		}
		return u.words.Build(u.top(), state[0])
	case 'Q': // BINPERSID
		id, err := u.pop(1)
		if err != nil {
			return err
		}
		if u.words.Persistent == nil {
			return ErrObject
		}
		object, err := u.words.Persistent(id[0])
		if err != nil {
			return err
		}
		return u.push(object)
	}
	return fmt.Errorf("pickle operation 0x%02x is none that data need: refused", op)
}

// operands are those since the last mark, or the n topmost.
func (u *unpickler) operands(marked bool, n int) ([]any, error) {
	if marked {
		return u.popMark()
	}
	return u.pop(n)
}

func (u *unpickler) top() any {
	if len(u.stack) == 0 {
		return nil
	}
	return u.stack[len(u.stack)-1]
}

// name pushes a Python name, if it is one of those that mean something here.
func (u *unpickler) name(op byte) error {
	var module, name string
	var err error
	if op == 'c' {
		if module, err = u.line(); err == nil {
			name, err = u.line()
		}
	} else {
		var parts []any
		if parts, err = u.pop(2); err == nil {
			first, ok := parts[0].(Text)
			second, ok2 := parts[1].(Text)
			if !ok || !ok2 {
				return errStack
			}
			module, name = string(first), string(second)
		}
	}
	if err != nil {
		return err
	}
	full := Name(module + "." + name)
	if full == encodeText || u.words.Knows != nil && u.words.Knows(full) {
		return u.push(full)
	}
	return fmt.Errorf("the pickle asks for %.100q, which no data need: refused", string(full))
}

// encodeText makes bytes of a text of as many characters: (text, 'latin1').
const encodeText Name = "_codecs.encode"

func (u *unpickler) encode(arguments Tuple) (Text, error) {
	if len(arguments) != 2 {
		return nil, ErrObject
	}
	text, ok := arguments[0].(Text)
	codec, ok2 := arguments[1].(Text)
	if !ok || !ok2 || string(codec) != "latin1" {
		return nil, ErrObject
	}
	if u.spare -= len(text); u.spare < 0 {
		return nil, errors.New("the pickle decodes the same text over and over: refused")
	}
	decoded := make(Text, 0, len(text))
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r > 255 {
			return nil, errors.New("damaged pickle: text that should be bytes")
		}
		decoded, rest = append(decoded, byte(r)), rest[size:]
	}
	return decoded, nil
}
