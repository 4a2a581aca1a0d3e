package picture

// Enlarge brings an image of shape h,w,c to the size of another by repeating pixels.
func Enlarge[T any](pixels []T, h, w, c, toHeight, toWidth int) []T {
	x := make([]T, 0, toHeight*toWidth*c)
	for row := range toHeight {
		for column := range toWidth {
			at := row*h/toHeight*w + column*w/toWidth
			x = append(x, pixels[at*c:][:c]...)
		}
	}
	return x
}
