"""Exports all-MiniLM-L6-v2 to ONNX: in f32, fused as for BERT, and quantised dynamically to int8.

Each is optimised as its makers advise: the graph is fused by onnxruntime's own optimiser for transformers where that
can read it, and the int8 one is quantised from the fused graph, per channel, with signed weights.
"""

from . import places
from .side import say


def export() -> None:
    """Writes fp32.onnx and int8.onnx, unless they are there."""
    plain, fp32, int8 = (places.ONNX / name for name in ("plain.onnx", "fp32.onnx", "int8.onnx"))
    if fp32.exists() and int8.exists():
        return
    import onnx
    import torch
    from transformers import AutoModel, AutoTokenizer

    places.ONNX.mkdir(parents=True, exist_ok=True)
    model = AutoModel.from_pretrained(places.model(), attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(places.model())
    example = tokenizer(
        ["a short text", "a longer text, for the export of the model"], padding=True, return_tensors="pt"
    )

    class Rows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    names = ("input_ids", "attention_mask", "token_type_ids")
    axes = {name: {0: "texts", 1: "pieces"} for name in (*names, "rows")}
    torch.onnx.export(
        Rows(),
        tuple(example[name] for name in names),
        str(plain),
        input_names=list(names),
        output_names=["rows"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model

    fused = optimize_model(str(plain), model_type="bert", num_heads=12, hidden_size=384)
    fused.save_model_to_file(str(fp32))
    say(f"fused: {fused.get_fused_operator_statistics()}")
    quantize_dynamic(
        str(fp32),
        str(int8),
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    plain.unlink()


if __name__ == "__main__":
    export()
