// Package filekind names a file by its first bytes, with what to do where a program wants another kind of file than it was given.
package filekind

import (
	"bytes"
	"strings"
)

// kinds are matched in order. "?" in a pattern matches any byte.
var kinds = []struct {
	at      int
	pattern string
	name    string
	advice  string
}{
	{0, "\x89PNG\r\n\x1a\n", "PNG picture", ""},
	{0, "\xff\xd8\xff", "JPEG picture", ""},
	{0, "GIF8", "GIF picture", ""},
	{0, "BM????\x00\x00\x00\x00", "BMP picture", ""},
	{0, "RIFF????WEBP", "WebP picture", ""},
	{0, "II*\x00", "TIFF picture", ""},
	{0, "MM\x00*", "TIFF picture", ""},
	{4, "ftyphei", "HEIC picture", "convert it to JPEG or PNG"},
	{4, "ftyphev", "HEIC picture", "convert it to JPEG or PNG"},
	{4, "ftypmif1", "HEIF picture", "convert it to JPEG or PNG"},
	{4, "ftypmsf1", "HEIF picture", "convert it to JPEG or PNG"},
	{4, "ftypavi", "AVIF picture", "convert it to PNG"},
	{4, "ftypcrx", "camera's raw file (CR3)", "export it as PNG or TIFF"},
	{4, "ftyp", "video (MP4)", "extract its frames as PNG, such as by ffmpeg -i FILE frame-%06d.png"},
	{0, "\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL picture", "convert it to PNG"},
	{0, "\xff\x0a", "JPEG XL picture", "convert it to PNG"},
	{0, "\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000 picture", "convert it to PNG"},
	{0, "\xff\x4f\xff\x51", "JPEG 2000 picture", "convert it to PNG"},
	{0, "II+\x00", "BigTIFF picture", "convert it to PNG or plain TIFF"},
	{0, "MM\x00+", "BigTIFF picture", "convert it to PNG or plain TIFF"},
	{0, "8BPS", "Photoshop file", "export it as PNG"},
	{0, "gimp xcf", "GIMP file", "export it as PNG"},
	{0, "P7\n", "PAM picture", "convert it to PNG"},
	{0, "PF\n", "PFM picture of floating-point values", "scale them to 0..255 and save it as PNG"},
	{0, "Pf\n", "PFM picture of floating-point values", "scale them to 0..255 and save it as PNG"},
	{0, "\x76\x2f\x31\x01", "OpenEXR picture", "convert it to PNG"},
	{0, "#?RADIANCE", "Radiance HDR picture", "convert it to PNG"},
	{0, "\x00\x00\x01\x00", "Windows icon", "convert it to PNG"},
	{0, "icns", "Apple icon", "convert it to PNG"},
	{0, "\x01\xda\x00", "SGI picture", "convert it to PNG"},
	{0, "\x01\xda\x01", "SGI picture", "convert it to PNG"},
	{0, "\x0a\x05\x01\x08", "PCX picture", "convert it to PNG"},
	{0, "qoif", "QOI picture", "convert it to PNG"},
	{0, "DDS ", "DDS texture", "convert it to PNG"},
	{0, "FORM????ILBM", "Amiga ILBM picture", "convert it to PNG"},
	{0, "FUJIFILMCCD-RAW", "camera's raw file (RAF)", "export it as PNG or TIFF"},
	{0, "IIU\x00", "camera's raw file (RW2)", "export it as PNG or TIFF"},
	{0, "IIRO", "camera's raw file (ORF)", "export it as PNG or TIFF"},
	{128, "DICM", "DICOM file", "convert it to PNG with the window you want, such as by dcm2img"},
	{344, "n+1\x00", "NIfTI volume", "save its slices as PNG"},
	{344, "ni1\x00", "NIfTI volume", "save its slices as PNG"},
	{0, "SIMPLE  =", "FITS file", "scale its values to 0..255 and save it as PNG or .npy"},
	{0, "%!PS", "PostScript file", "convert its pages to PNG"},
	{0, "\xc5\xd0\xd3\xc6", "PostScript file (EPS)", "convert it to PNG"},
	{0, "farbfeld", "farbfeld picture", "convert it to PNG"},
	{0, "%PDF", "PDF document", "convert its pages to PNG"},
	{0, "\x1a\x45\xdf\xa3", "video (Matroska, WebM)", "extract its frames as PNG, such as by ffmpeg -i FILE frame-%06d.png"},
	{0, "RIFF????AVI ", "video (AVI)", "extract its frames as PNG, such as by ffmpeg -i FILE frame-%06d.png"},
	{0, "RIFF????WAVE", "sound file", "it holds no pictures"},
	{0, "7z\xbc\xaf\x27\x1c", "7z archive", "unpack it first"},
	{0, "Rar!\x1a\x07", "RAR archive", "unpack it first"},
	{0, "PK\x03\x04", "zip archive", "give it by itself as a data set"},
	{0, "\x1f\x8b", "gzip-compressed file", "unpack it first"},
	{0, "\xfd7zXZ\x00", "xz-compressed file", "unpack it first"},
	{0, "BZh", "bzip2-compressed file", "unpack it first"},
	{0, "\x28\xb5\x2f\xfd", "zstd-compressed file", "unpack it first"},
	{257, "ustar", "tar archive", "give it by itself as a data set"},
	{0, "\x89HDF\r\n\x1a\n", "HDF5 file (also MATLAB 7.3, Keras, H5)", "save its images as .npy with h5py: np.save('set.npy', h5py.File('FILE')['images'][:])"},
	{0, "\x93NUMPY", "NumPy array", "give it by itself as a data set"},
	{0, "MATLAB 5.0 MAT-file", "MATLAB file", "give it by itself as a data set"},
	{0, "PAR1", "Parquet file", "give it by itself, or its folder, as a data set"},
	{0, "ARROW1", "Arrow file", "give it by itself, or its folder, as a data set"},
	{0, "FEA1", "Feather file of the first version", "save it as Parquet: pyarrow.feather.read_table('FILE'), pyarrow.parquet.write_table"},
	{0, "SQLite format 3\x00", "SQLite database", "save its pictures as files"},
	{0, "\x80\x02", "Python pickle", "save its images as .npy or PNG"},
	{0, "\x80\x03", "Python pickle", "save its images as .npy or PNG"},
	{0, "\x80\x04", "Python pickle", "save its images as .npy or PNG"},
	{0, "\x80\x05", "Python pickle", "save its images as .npy or PNG"},
	{0, "version https://git-lfs", "Git LFS pointer, not the file itself", "run git lfs pull where it was cloned"},
}

// Of names what a file that begins like that is, and says what to do with it, if it is nothing that can be read as a picture; both are
// empty if it is nothing well known.
func Of(head []byte) (name, advice string) {
	for _, k := range kinds {
		if Matches(head, k.at, k.pattern) {
			return k.name, k.advice
		}
	}
	text := strings.ToLower(string(bytes.TrimLeft(bytes.TrimPrefix(head[:min(len(head), 512)], []byte("\xef\xbb\xbf")), " \t\r\n")))
	switch {
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"), strings.HasPrefix(text, "<head"):
		return "web page, not the file itself", "fetch the file again: what was saved is a page about it, such as one that asks to log in"
	case strings.HasPrefix(text, "<svg"), strings.HasPrefix(text, "<?xml") && strings.Contains(text, "<svg"):
		return "SVG drawing", "convert it to PNG"
	case strings.HasPrefix(text, "<?xml"):
		return "XML file", "if it is an error message of a server, fetch the file again"
	}
	return "", ""
}

// Matches says whether a file that begins like that has a pattern at a place, in which "?" stands for any byte.
func Matches(head []byte, at int, pattern string) bool {
	if len(head) < at+len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != '?' && head[at+i] != pattern[i] {
			return false
		}
	}
	return true
}

// Article is the name with "a" or "an" before it.
func Article(name string) string {
	if strings.ContainsRune("AEIOaeio", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}
