// Rotates N words: word i of the output is word (i + amount) mod N of the input. Combinational, log2(N) stages.
module rotator #(
    parameter int N = 4,  // words
    parameter int W = 8   // bits of a word
) (
    input  logic [N*W-1:0] words,   // word i at [i*W +: W]
    input  logic [    7:0] amount,  // below N
    output logic [N*W-1:0] rotated  // the rotated words
);
  localparam int STAGES = $clog2(N);
  logic [N*W-1:0] stage[STAGES+1];
  assign stage[0] = words;
  for (genvar k = 0; k < STAGES; k++) begin : g_stage
    localparam int BY = (1 << k) * W;
    assign stage[k+1] = amount[k] ? {stage[k][BY-1:0], stage[k][N*W-1:BY]} : stage[k];
  end
  assign rotated = stage[STAGES];
endmodule
