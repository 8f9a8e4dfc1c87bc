// One output value: add the bias, divide by 2^shift rounding halves up, optional ReLU, saturate to DW bits.
module requant #(
    parameter int AW = 32,  // bits of the sum and of the bias
    parameter int DW = 8    // bits of the result
) (
    input  logic                 clk,    // clock
    input  logic signed [AW-1:0] sum,    // finished sum
    input  logic signed [AW-1:0] bias,   // bias, in units of the sum
    input  logic        [   5:0] shift,  // binary digits to drop, below AW
    input  logic                 relu,   // negative results become zero
    output logic signed [DW-1:0] result  // the value, two cycles later
);
  localparam logic signed [AW:0] MOST = (AW + 1)'(2 ** (DW - 1) - 1);
  localparam logic signed [AW:0] LEAST = -MOST - 1;
  logic signed [AW:0] biased, half, shifted;
  logic [5:0] shift_q;
  logic relu_q;

  assign half = shift == 0 ? (AW + 1)'(0) : (AW + 1)'(1) <<< (shift - 6'd1);
  assign shifted = biased >>> shift_q;

  always_ff @(posedge clk) begin
    biased  <= (AW + 1)'(sum) + (AW + 1)'(bias) + half;
    shift_q <= shift;
    relu_q  <= relu;
    if (relu_q && shifted < 0) result <= '0;
    else if (shifted > MOST) result <= MOST[DW-1:0];
    else if (shifted < LEAST) result <= LEAST[DW-1:0];
    else result <= shifted[DW-1:0];
  end
endmodule
