//! The three operations of the encoder: fused kernels on the CPU, composed of candle's own on any other device.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, D, Layout, Result, Shape, Tensor};

use crate::kernels::{self, Heads};

pub(crate) use crate::kernels::Activation;

/// `x · weight + bias`, then the activation: `x` is `[pieces, inputs]`, `weight` `[inputs, outputs]`.
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.apply_op3_no_bwd(weight, bias, &Linear(activation));
    }
    composed_linear(x, weight, bias, activation)
}

/// The layer norm of `x + residual`; `norm` is `[2, width]`, first gamma, then beta.
pub(crate) fn add_norm(x: &Tensor, residual: &Tensor, norm: &Tensor, epsilon: f64) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.apply_op3_no_bwd(residual, norm, &AddNorm(epsilon as f32));
    }
    composed_add_norm(x, residual, norm, epsilon)
}

/// Attention within each text: `qkv` is `[pieces, 3 × hidden]`, the result `[pieces, hidden]`.
pub(crate) fn attention(qkv: &Tensor, shape: Heads<'_>) -> Result<Tensor> {
    if qkv.device().is_cpu() {
        return qkv.apply_op1_no_bwd(&Attention(shape));
    }
    composed_attention(qkv, shape)
}

fn composed_linear(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    let out = x.matmul(weight)?.broadcast_add(bias)?;
    match activation {
        Activation::Identity => Ok(out),
        Activation::Gelu => out.gelu_erf(),
        Activation::GeluTanh => out.gelu(),
        Activation::Relu => out.relu(),
    }
}

fn composed_add_norm(x: &Tensor, residual: &Tensor, norm: &Tensor, epsilon: f64) -> Result<Tensor> {
    let (gamma, beta) = (norm.get(0)?.contiguous()?, norm.get(1)?.contiguous()?);
    candle_nn::ops::layer_norm(&(x + residual)?, &gamma, &beta, epsilon as f32)
}

/// Texts of one length that follow one another are attended to at once, so no text is padded and no mask is needed.
fn composed_attention(qkv: &Tensor, shape: Heads<'_>) -> Result<Tensor> {
    let Heads { lengths, heads, hidden } = shape;
    let width = hidden.checked_div(heads).unwrap_or(0);
    let scale = 1.0 / (width as f64).sqrt();
    let mut outs = Vec::new();
    let mut start = 0;
    for texts in lengths.chunk_by(|a, b| a == b) {
        let (count, length) = (texts.len(), texts.first().copied().unwrap_or(0));
        let rows = qkv.narrow(0, start, count * length)?;
        // [texts, heads, length, width]
        let part = |which: usize| -> Result<Tensor> {
            let part = rows.narrow(D::Minus1, which * hidden, hidden)?;
            part.reshape((count, length, heads, width))?.transpose(1, 2)?.contiguous()
        };
        let scores = (part(0)?.matmul(&part(1)?.transpose(2, 3)?.contiguous()?)? * scale)?;
        let out = candle_nn::ops::softmax_last_dim(&scores)?.matmul(&part(2)?)?;
        outs.push(out.transpose(1, 2)?.reshape((count * length, hidden))?);
        start += count * length;
    }
    Tensor::cat(&outs, 0)
}

struct Linear(Activation);

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        let (weight_inputs, outputs) = weight_layout.shape().dims2()?;
        if weight_inputs != inputs || bias_layout.shape().dims1()? != outputs {
            candle_core::bail!("expected a layer of {inputs} inputs, got one of {weight_inputs}");
        }
        let (weight, bias) = (floats(weight, weight_layout)?, floats(bias, bias_layout)?);
        let out = kernels::linear(floats(x, x_layout)?, weight, bias, self.0)?;
        Ok((CpuStorage::F32(out), (rows, outputs).into()))
    }
}

struct AddNorm(f32);

impl CustomOp3 for AddNorm {
    fn name(&self) -> &'static str {
        "add-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
        norm: &CpuStorage,
        norm_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = x_layout.shape().dims2()?;
        if residual_layout.shape() != x_layout.shape() || norm_layout.shape().dims2()? != (2, width) {
            candle_core::bail!("expected a residual and a norm of width {width}");
        }
        let norm = floats(norm, norm_layout)?;
        let (gamma, beta) = norm.split_at_checked(width).unwrap_or_default();
        let out = kernels::add_norm(floats(x, x_layout)?, floats(residual, residual_layout)?, gamma, beta, self.0);
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

struct Attention<'a>(Heads<'a>);

impl CustomOp1 for Attention<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (pieces, _) = layout.shape().dims2()?;
        let out = kernels::attention(floats(qkv, layout)?, self.0)?;
        Ok((CpuStorage::F32(out), (pieces, self.0.hidden).into()))
    }
}

fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) =
        layout.contiguous_offsets().ok_or(candle_core::Error::Msg("expected contiguous values".into()))?;
    storage.as_slice::<f32>()?.get(start..end).ok_or(candle_core::Error::Msg("expected a whole tensor".into()))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn values(shape: impl Into<Shape>, seed: u32) -> Tensor {
        let shape = shape.into();
        // A linear congruential generator: any spread of values will do.
        let mut state = seed;
        let values: Vec<f32> = (0..shape.elem_count())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[track_caller]
    fn check(fused: Result<Tensor>, composed: Result<Tensor>) {
        let (fused, composed) = (fused.unwrap(), composed.unwrap());
        assert_eq!(fused.dims(), composed.dims());
        let flat = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (a, b) in flat(fused).into_iter().zip(flat(composed)) {
            assert!((a - b).abs() <= 2e-5 * (1.0 + b.abs()), "{a} is not {b}");
        }
    }

    #[test]
    fn fused_operations_equal_composed_ones() {
        for (rows, inputs, outputs) in [(1, 8, 8), (7, 33, 19), (70, 64, 130)] {
            let (x, weight, bias) = (values((rows, inputs), 1), values((inputs, outputs), 2), values(outputs, 3));
            for act in [Activation::Identity, Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
                check(linear(&x, &weight, &bias, act), composed_linear(&x, &weight, &bias, act));
            }
            let (residual, norm) = (values((rows, inputs), 4), values((2, inputs), 5));
            check(add_norm(&x, &residual, &norm, 1e-12), composed_add_norm(&x, &residual, &norm, 1e-12));
        }
        for lengths in [&[1][..], &[5, 5, 3, 1], &[40, 17, 2]] {
            let pieces: usize = lengths.iter().sum();
            let shape = Heads { lengths, heads: 3, hidden: 24 };
            let qkv = (values((pieces, 72), 6) * 4.0).unwrap();
            check(attention(&qkv, shape), composed_attention(&qkv, shape));
        }
    }

    #[test]
    fn shapes_that_do_not_match_are_errors() {
        let x = values((2, 8), 1);
        assert!(linear(&x, &values((9, 8), 2), &values(8, 3), Activation::Identity).is_err());
        assert!(linear(&x, &values((8, 8), 2), &values(7, 3), Activation::Identity).is_err());
        assert!(add_norm(&x, &values((1, 8), 2), &values((2, 8), 3), 1e-12).is_err());
        assert!(add_norm(&x, &values((2, 8), 2), &values((1, 8), 3), 1e-12).is_err());
        assert!(attention(&x, Heads { lengths: &[2], heads: 2, hidden: 8 }).is_err());
    }
}
