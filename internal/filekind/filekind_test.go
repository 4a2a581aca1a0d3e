package filekind

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for want, head := range map[string]string{
		"PNG picture": "\x89PNG\r\n\x1a\n\x00", "HEIC picture": "\x00\x00\x00\x18ftypheic", "AVIF picture": "\x00\x00\x00\x18ftypavif",
		"web page, not the file itself": "\xef\xbb\xbf \n<!DOCTYPE HTML>", "DICOM file": strings.Repeat("\x00", 128) + "DICM",
		"Git LFS pointer, not the file itself": "version https://git-lfs.github.com/spec/v1\n", "tar archive": strings.Repeat("x", 257) + "ustar",
		"": "hello",
	} {
		if got, advice := Of([]byte(head)); got != want || (advice == "") != (want == "" || want == "PNG picture") {
			t.Errorf("%q is a %q (%s), want a %q", head, got, advice, want)
		}
	}
	for name, want := range map[string]string{"AVIF picture": "an AVIF picture", "tar archive": "a tar archive"} {
		if got := Article(name); got != want {
			t.Errorf("%s with its article is %s", name, got)
		}
	}
}
