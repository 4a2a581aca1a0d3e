package dataset

// A reader for the few Python pickles that hold data sets: dictionaries, lists, tuples, integers, strings and numpy
// arrays of bytes, as Python 2 and 3 write them (protocols 2 to 4).
//
// A pickle is a program for a stack machine that may name and call any Python function. This reader calls nothing: it
// knows four names (two ways to begin a numpy array, a numpy type, a text codec), understands what calling them means,
// and refuses everything else. Strings are views into the input, and the number of objects is bounded, so a small file
// cannot make a large object. Source: the Python standard library's pickletools.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxPickled bounds the objects a pickle may make; CIFAR-100's largest makes some 400,000.
const maxPickled = 1 << 21

// What a pickle is made of; besides these nil, bool and int64.
type (
	pickleText  []byte // a string or bytes
	pickleTuple []any
	pickleName  string // a Python name, "module.name"
	pickleList  struct{ items []any }
	pickleDict  struct{ fields map[string]any } // entries whose keys are strings; others are dropped
	pickleDtype struct{ name string }
	pickleArray struct { // a numpy array of uint8, row-major
		shape []int
		data  []uint8
	}
)

func (d *pickleDict) get(key string) any {
	if d == nil {
		return nil
	}
	return d.fields[key]
}

var (
	errPickleShort = errors.New("the pickle is cut short: fetch the file again")
	errPickleStack = errors.New("damaged pickle: an operation lacks its operands")
)

// unpickler is the stack machine.
type unpickler struct {
	in    []byte
	stack []any
	marks []int // stack heights
	memo  map[uint32]any
	made  int // objects so far
	spare int // bytes that may still be made by decoding text, at most the length of the input
}

// unpickle reads one pickled object.
func unpickle(data []byte) (any, error) {
	u := &unpickler{in: data, memo: map[uint32]any{}, spare: len(data)}
	for {
		op, err := u.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' {
			if len(u.stack) != 1 {
				return nil, errPickleStack
			}
			return u.stack[0], nil
		}
		if err := u.step(op[0]); err != nil {
			return nil, err
		}
	}
}

// take reads n bytes of the input.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.in)) {
		return nil, errPickleShort
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
		return "", errPickleShort
	}
	u.in = u.in[len(text)+1:]
	return string(text), nil
}

func (u *unpickler) push(x any) error {
	if u.made++; u.made > maxPickled {
		return fmt.Errorf("the pickle makes more than %d objects: it is no data set", maxPickled)
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
		return nil, errPickleStack
	}
	top := u.stack[len(u.stack)-n:]
	u.stack = u.stack[:len(u.stack)-n]
	return top, nil
}

// popMark takes what was pushed since the last mark.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errPickleStack
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
		return u.push(pickleText(text))
	}
	switch op {
	case 0x80: // PROTO
		version, err := u.number(1)
		if err == nil && (version < 2 || version > 4) {
			err = fmt.Errorf("pickle protocol %d: only 2 to 4 are read", version)
		}
		return err
	case 0x95: // FRAME
		_, err := u.take(8)
		return err
	case '(': // MARK
		if len(u.marks) >= maxPickled {
			return errPickleStack
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
			return fmt.Errorf("the pickle holds a %d-byte integer: it is no data set", width)
		}
		n, err := u.number(width)
		if err != nil {
			return err
		}
		shift := 64 - 8*width
		return u.push(int64(n<<shift) >> shift)

	case '}':
		return u.push(&pickleDict{map[string]any{}})
	case ']':
		return u.push(&pickleList{})
	case ')':
		return u.push(pickleTuple(nil))
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		items, err := u.pop(int(op) - 0x84)
		if err != nil {
			return err
		}
		return u.push(append(pickleTuple(nil), items...))
	case 't': // TUPLE
		items, err := u.popMark()
		if err != nil {
			return err
		}
		return u.push(append(pickleTuple(nil), items...))

	case 'q', 'r', 0x94: // BINPUT, LONG_BINPUT, MEMOIZE
		at := uint64(len(u.memo))
		if op != 0x94 {
			var err error
			if at, err = u.number(map[byte]uint64{'q': 1, 'r': 4}[op]); err != nil {
				return err
			}
		}
		if len(u.stack) == 0 || len(u.memo) >= maxPickled {
			return errPickleStack
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
			return errPickleStack
		}
		return u.push(x)

	case 'a', 'e': // APPEND, APPENDS
		items, err := u.operands(op == 'e', 1)
		if err != nil {
			return err
		}
		list, ok := u.top().(*pickleList)
		if !ok {
			return errPickleStack
		}
		list.items = append(list.items, items...)
		return nil
	case 's', 'u': // SETITEM, SETITEMS
		items, err := u.operands(op == 'u', 2)
		if err != nil {
			return err
		}
		dict, ok := u.top().(*pickleDict)
		if !ok || len(items)%2 != 0 {
			return errPickleStack
		}
		for i := 0; i < len(items); i += 2 {
			if key, ok := items[i].(pickleText); ok {
				dict.fields[string(key)] = items[i+1]
			}
		}
		return nil

	case 'c', 0x93: // GLOBAL, STACK_GLOBAL
		return u.name(op)
	case 'R': // REDUCE: call a function
		operands, err := u.pop(2)
		if err != nil {
			return err
		}
		made, err := u.call(operands[0], operands[1])
		if err != nil {
			return err
		}
		return u.push(made)
	case 'b': // BUILD: give an object its state
		state, err := u.pop(1)
		if err != nil {
			return err
		}
		return build(u.top(), state[0])
	}
	return fmt.Errorf("pickle operation 0x%02x is none a data set needs: refused", op)
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
			first, ok := parts[0].(pickleText)
			second, ok2 := parts[1].(pickleText)
			if !ok || !ok2 {
				return errPickleStack
			}
			module, name = string(first), string(second)
		}
	}
	if err != nil {
		return err
	}
	full := pickleName(module + "." + name)
	switch full {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode":
		return u.push(full)
	}
	return fmt.Errorf("the pickle asks for %.100q, which no data set needs: refused", string(full))
}

// call gives the meaning of calling one of the known names.
func (u *unpickler) call(function, arguments any) (any, error) {
	name, _ := function.(pickleName)
	args, _ := arguments.(pickleTuple)
	switch name {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct": // (ndarray, (0,), b'b')
		if len(args) == 3 && args[0] == pickleName("numpy.ndarray") {
			return &pickleArray{}, nil
		}
	case "numpy.dtype": // ('u1', ...)
		if len(args) >= 1 {
			if kind, ok := args[0].(pickleText); ok {
				return &pickleDtype{string(kind)}, nil
			}
		}
	case "_codecs.encode": // (text, 'latin1'): how protocol 2 of Python 3 writes bytes
		if len(args) == 2 {
			text, ok := args[0].(pickleText)
			codec, ok2 := args[1].(pickleText)
			if u.spare -= len(text); u.spare < 0 {
				return nil, errors.New("the pickle decodes the same text over and over: it is no data set")
			}
			if ok && ok2 && string(codec) == "latin1" {
				return latin1(text)
			}
		}
	}
	return nil, errors.New("the pickle makes an object that no data set needs: refused")
}

// latin1 gives the bytes whose values are the code points of a UTF-8 text.
func latin1(text []byte) (pickleText, error) {
	b := make(pickleText, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r > 255 {
			return nil, errors.New("damaged pickle: text that should be bytes")
		}
		b = append(b, byte(r))
		text = text[size:]
	}
	return b, nil
}

// build gives an array its shape and data, a type nothing.
func build(object, state any) error {
	if _, ok := object.(*pickleDtype); ok {
		return nil // byte order and the like, which bytes do not have
	}
	array, ok := object.(*pickleArray)
	parts, _ := state.(pickleTuple) // (version, shape, dtype, is_fortran, data)
	if !ok || len(parts) != 5 {
		return errors.New("the pickle makes an object that no data set needs: refused")
	}
	shape, ok := parts[1].(pickleTuple)
	dtype, ok2 := parts[2].(*pickleDtype)
	data, ok3 := parts[4].(pickleText)
	if !ok || !ok2 || !ok3 || dtype.name != "u1" || parts[3] != false {
		return errors.New("the pickle holds an array that is not row-major uint8")
	}
	size := int64(1)
	array.shape = nil
	for _, side := range shape {
		n, ok := side.(int64)
		if !ok || n < 1 || size > int64(len(data))/n {
			return errors.New("damaged pickle: the shape of an array does not fit its data")
		}
		size *= n
		array.shape = append(array.shape, int(n))
	}
	if size != int64(len(data)) {
		return errors.New("damaged pickle: the shape of an array does not fit its data")
	}
	array.data = data
	return nil
}
