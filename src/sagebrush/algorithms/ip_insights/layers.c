/* Batch normalisation, ReLU and the residual sum of an encoder layer, in one pass each. */
#include <stdint.h>

/* sums[0..width-1]: column sums of the rows; sums[width..]: of their squares. */
void column_sums(const float *restrict rows, int64_t width, int64_t first, int64_t last,
                 double *restrict sums) {
    for (int64_t row = first; row < last; row++) {
        const float *restrict values = rows + row * width;
        for (int64_t column = 0; column < width; column++) {
            sums[column] += values[column];
            sums[width + column] += (double)values[column] * values[column];
        }
    }
}

/* rows becomes (rows - mean) * scale; out = input + relu(gain * rows + shift). */
void normalise_add(float *restrict rows, const float *restrict input, int64_t width, int64_t first,
                   int64_t last, const float *restrict mean, const float *restrict scale,
                   const float *restrict gain, const float *restrict shift, float *restrict out) {
    for (int64_t row = first; row < last; row++) {
        float *restrict values = rows + row * width;
        const float *restrict from = input + row * width;
        float *restrict to = out + row * width;
        for (int64_t column = 0; column < width; column++) {
            values[column] = (values[column] - mean[column]) * scale[column];
            const float raised = gain[column] * values[column] + shift[column];
            to[column] = from[column] + (raised > 0.0f ? raised : 0.0f);
        }
    }
}

/* sums[0..width-1]: gradient of the shift; sums[width..]: of the gain. */
void gain_sums(const float *restrict gradients, const float *restrict normalised, int64_t width,
               int64_t first, int64_t last, const float *restrict gain,
               const float *restrict shift, double *restrict sums) {
    for (int64_t row = first; row < last; row++) {
        const float *restrict gradient = gradients + row * width;
        const float *restrict values = normalised + row * width;
        for (int64_t column = 0; column < width; column++) {
            const float open = gain[column] * values[column] + shift[column] > 0.0f ? 1.0f : 0.0f;
            sums[column] += open * gradient[column];
            sums[width + column] += (double)(open * gradient[column]) * values[column];
        }
    }
}

/* normalised becomes the gradient by the layer's product, before normalisation. */
void normalise_back(const float *restrict gradients, float *restrict normalised, int64_t width,
                    int64_t first, int64_t last, const float *restrict scale,
                    const float *restrict gain, const float *restrict shift,
                    const float *restrict mean_shift, const float *restrict mean_gain) {
    for (int64_t row = first; row < last; row++) {
        const float *restrict gradient = gradients + row * width;
        float *restrict values = normalised + row * width;
        for (int64_t column = 0; column < width; column++) {
            const float open = gain[column] * values[column] + shift[column] > 0.0f ? 1.0f : 0.0f;
            values[column] = gain[column] * scale[column] *
                             (open * gradient[column] - mean_shift[column] -
                              values[column] * mean_gain[column]);
        }
    }
}
